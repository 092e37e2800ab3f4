/**
 * A server of ours that is lost and started again on its port, and the page that it gives: a `ReconnectingWebSocket` of
 * the built package, of which the page notes all that it tells.
 */
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { type Server, serve } from "../../../src/server/server.ts";

/** What the page notes; times in milliseconds. */
export interface Note {
  readonly what: string;
  /** Since the epoch. */
  readonly at: number;
  /** Of `connecting`: how long after it was due. */
  readonly late: number;
}

/** See the head of this file. */
export interface RestartingServer {
  readonly port: number;
  /** The URL of the page, whose socket has these options of `ReconnectingWebSocket`; `through` is the port of a proxy. */
  page(options?: { readonly reconnect?: object; readonly heartbeat?: object }, through?: number): string;
  /** How many connections are open. */
  readonly connections: number;
  /** Ends every connection as a crash does, and the listener. */
  stop(): Promise<void>;
  /** Ends every connection as a crash does. */
  cut(): void;
  start(): Promise<void>;
}

const built = new URL("../../../dist/", import.meta.url);

/** In the page: `socket`, `notes`, and `noted(what)` for how often something was noted. */
const page = `<!doctype html><link rel="icon" href="data:,"><script type="module">
import { ReconnectingWebSocket } from "/dist/browser/index.js";
const options = JSON.parse(decodeURIComponent(location.search.slice(1)) || "{}");
const notes = [];
let due = 0;
const note = (what) => notes.push({ what, at: Date.now(), late: Date.now() - due });
const socket = new ReconnectingWebSocket("/socket", [], options);
socket.onstatechange = () => {
  note(socket.state);
  due = socket.retryAt;
};
socket.onmessage = ({ data }) => note("message " + data);
socket.onclose = ({ final, code }) => note("close " + code + (final ? " final" : ""));
for (const type of ["online", "offline", "resume", "freeze", "pageshow", "visibilitychange"]) {
  addEventListener(type, (event) => note(type + (event.persisted ? " persisted" : "")), { capture: true });
}
Object.assign(globalThis, { socket, notes, noted: (what) => notes.filter((one) => one.what === what).length });
</script>`;

/** Starts the server on a free port, or on this one. */
export async function restartingServer(): Promise<RestartingServer> {
  let server: Server;
  const start = async (port: number): Promise<void> => {
    server = await serve({
      host: "127.0.0.1",
      port,
      request: answer,
      routes: {
        "/socket": { message: (connection, data) => void connection.send(data) },
      },
    });
  };
  const cut = (): void => {
    for (const connection of server.connections) connection.terminate();
  };
  await start(0);
  const { port } = server!;
  return {
    port,
    get connections() {
      return server.connections.size;
    },
    page: (options = {}, through = port) =>
      `http://127.0.0.1:${through}/page?${encodeURIComponent(JSON.stringify(options))}`,
    cut,
    async stop() {
      const closed = server.close();
      cut();
      await closed;
    },
    start: () => start(port),
  };
}

function answer({ url = "" }: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(url, "http://localhost");
  if (pathname.startsWith("/dist/")) {
    const file = fileURLToPath(new URL(pathname.slice("/dist/".length), built));
    response.setHeader("Content-Type", "text/javascript").end(readFileSync(file));
  } else {
    response.setHeader("Content-Type", "text/html").end(pathname === "/page" ? page : "<!doctype html>elsewhere");
  }
}
