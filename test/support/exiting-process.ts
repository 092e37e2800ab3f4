/**
 * A program that has one side of a connection and exits right after it has sent: `client <how> <url>`, or `server <how>`,
 * which prints its port.
 */
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "../../src/ws/index.ts";

const [role, how, url] = process.argv.slice(2);

/** What each way sends, and when the process exits. */
const ways: Readonly<Record<string, (socket: WebSocket) => void>> = {
  "when it opens": (socket) => {
    const act = () => {
      socket.send("first");
      socket.send("last");
      process.exit(0);
    };
    if (socket.readyState === WebSocket.OPEN) act();
    else socket.on("open", act);
  },
  "inside a chunk": (socket) => {
    socket.on("message", () => {
      socket.send("first");
      socket.send("last");
      process.exit(0);
    });
  },
  "by a listener for the exit": (socket) => {
    process.on("exit", () => {
      socket.send("first");
      socket.send("last");
    });
    socket.on("message", () => setTimeout(() => process.exit(0), 1));
  },
  "behind an exception": (socket) => {
    socket.on("message", () => {
      setTimeout(() => {
        socket.send("first");
        socket.send("last");
        throw new Error("of the program");
      }, 1);
    });
  },
  "behind its Close": (socket) => {
    socket.on("message", () => {
      socket.send("first");
      socket.send("last");
      socket.close(4000);
      process.exit(0);
    });
  },
};

const begin = ways[how!]!;
if (role === "client") {
  begin(new WebSocket(url!));
} else {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", begin);
  server.on("listening", () => console.log((server.address() as AddressInfo).port));
}
