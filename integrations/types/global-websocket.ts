/** Libraries that look for the global class find openline's; compiled where the declarations of Node have that name. */
import { WebSocket } from "openline";

globalThis.WebSocket = WebSocket;
