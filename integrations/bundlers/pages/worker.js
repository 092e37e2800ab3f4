/** A worker of any kind: it says its name to the server. */
import { ReconnectingWebSocket } from "openline/browser";

const socket = new ReconnectingWebSocket("/names");
socket.send(globalThis.constructor.name);
