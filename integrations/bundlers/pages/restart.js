/** A page that stays, and notes all that its socket tells. */
import { ReconnectingWebSocket } from "openline/browser";

const socket = new ReconnectingWebSocket("/echo", [], { reconnect: { firstDelay: 200, maxDelay: 500 } });
globalThis.socket = socket;
globalThis.told = [];
socket.onstatechange = () => globalThis.told.push(socket.state);
socket.onmessage = ({ data }) => globalThis.told.push(data);
socket.onclose = ({ final }) => globalThis.told.push(`close ${final}`);
