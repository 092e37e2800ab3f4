// @ts-check
/** Five ways to send a message back, each at a path of its own, for a conformance test to judge. */
import { PreparedMessage, serve } from "openline";

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  compression: true,
  routes: {
    // The whole message, by the handler.
    "/message": { message: (connection, data) => connection.send(data) },

    // The whole message, encoded before it is sent, as for several receivers.
    "/prepared": { message: (connection, data) => connection.send(new PreparedMessage(data)) },

    // Web streams of whole messages.
    "/streams": {
      open: (connection) => {
        // It fails when the connection does; the connection says so itself.
        connection.readable.pipeTo(connection.writable).catch(() => {});
      },
    },

    // Part by part, as they come: no message is ever whole in memory.
    "/parts": {
      open: async (connection) => {
        for await (const message of connection.messages()) {
          await connection.sendFragments(message, { text: message.text });
        }
      },
      error: leftMidway,
    },

    // The parts until the message is whole, then all of it.
    "/collected": {
      open: async (connection) => {
        for await (const message of connection.messages()) {
          const parts = [];
          for await (const part of message) parts.push(part);
          connection.send(message.text ? parts.join("") : Buffer.concat(/** @type {Uint8Array[]} */ (parts)));
        }
      },
      error: leftMidway,
    },
  },
});

/** A message is read as far as it came, and reading on throws: here only a client that left in the middle of one does that. */
function leftMidway() {}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(`Ctrl-C ends the server. Test any of:`);
for (const path of ["message", "prepared", "streams", "parts", "collected"]) {
  console.log(`  ws://localhost:${server.port}/${path}`);
}
