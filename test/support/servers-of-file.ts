/** Servers that the clients of a test file connect to, closed behind each test. */
import { afterEach } from "vitest";
import { type ServeOptions, type Server, serve } from "../../src/index.ts";
import { type Answer, type RawServer, type RawServerOptions, rawServer } from "./raw-server.ts";

/** The servers of a file. */
export interface ServersOfFile {
  /** Starts a server that answers with the bytes that `answer` gives. */
  serveRaw(answer: Answer, options?: RawServerOptions): Promise<RawServer>;
  /** Starts a server of ours that sends each message back. */
  serveEcho(options?: Partial<ServeOptions>): Promise<Server & { readonly url: string }>;
  /** Closes something else behind the test. */
  closeLater(closable: { close(): unknown }): void;
}

/** To be called behind `leavesNothing`, so that the servers are closed before it looks. */
export function serversOfFile(): ServersOfFile {
  const opened: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const server of opened.splice(0)) await server.close();
  });
  return {
    closeLater: (closable) => void opened.push(closable),
    serveRaw: async (answer, options) => {
      const server = await rawServer(answer, options);
      opened.push(server);
      return server;
    },
    serveEcho: async (options = {}) => {
      const server = await serve({
        port: 0,
        host: "127.0.0.1",
        routes: { "/": { message: (connection, data) => void connection.send(data) } },
        ...options,
      });
      opened.push(server);
      return Object.assign(server, { url: `${options.tls ? "wss" : "ws"}://127.0.0.1:${server.port}/` });
    },
  };
}
