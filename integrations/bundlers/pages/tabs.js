/** One of several tabs with the form of the guide. */
import { sharedSocket } from "./shared-socket.ts";

globalThis.got = [];
globalThis.shared = sharedSocket("/rooms", (data) => globalThis.got.push(data));
