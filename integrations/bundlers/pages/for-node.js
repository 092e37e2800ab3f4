/** A page that imports what is for Node. */
import { ReconnectingWebSocket, serve } from "openline";

try {
  globalThis.results = [typeof ReconnectingWebSocket, serve({ port: 80 })];
} catch (error) {
  globalThis.results = [error.message];
}
