/** A server that numbers what it sends and sends again what a client says it has not got, and the stub that asks for it. */
import type { Resume } from "../../src/reconnecting/resume.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";
import { serving } from "../support/serving.ts";

/** See the head of this file. */
export interface NumberedServer {
  readonly url: string;
  /** Sends to all that are connected, and keeps it for those that are not. */
  publish(text: string): void;
  /** Ends every connection without a Close. */
  kill(): void;
}

/** Starts one on a free port. */
export async function numberedServer(): Promise<NumberedServer> {
  const log: string[] = [];
  const live = new Set<ServerConnection>();
  const server = await serving({
    port: 0,
    routes: {
      "/": {
        message: (connection, data) => {
          const from = Number(/^resume (\d+)$/.exec(String(data))?.[1]);
          connection.send("resumed");
          for (const entry of log.slice(from)) connection.send(entry);
          live.add(connection);
        },
        close: (connection) => void live.delete(connection),
      },
    },
  });
  return {
    url: `ws://127.0.0.1:${server.port}/`,
    publish(text) {
      const entry = `${log.push("") - 1}:${text}`;
      log[log.length - 1] = entry;
      for (const connection of live) connection.send(entry);
    },
    kill() {
      for (const connection of server.connections) connection.terminate();
    },
  };
}

/** Asks for what comes after the last message that was delivered; throws where one is missing or comes twice. */
export function resumeStub<Data>(): Resume<Data> & { readonly attempts: () => number } {
  let position = 0;
  let attempts = 0;
  return {
    attempts: () => attempts,
    attempt: () => {
      attempts++;
      return position;
    },
    offer: (subprotocols) => [...subprotocols],
    first: (socket) => void socket.send(`resume ${position}`),
    receive: (data) => {
      if (data === "resumed") return undefined;
      const [, number, text] = /^(\d+):(.*)$/.exec(String(data))!;
      if (Number(number) !== position) throw new Error(`Expected ${position}, came ${number}`);
      position++;
      return text as Data;
    },
  };
}
