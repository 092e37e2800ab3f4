// @ts-check
/** Takes messages of any length, writes each to a file while it comes, and tells its sender how far it is. */
import { createHash, randomUUID } from "node:crypto";
import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { CloseCode, serve } from "openline";

const folder = process.env.UPLOADS ?? fileURLToPath(new URL("uploads", import.meta.url));
const step = 16 * 1024 * 1024;
try {
  mkdirSync(folder, { recursive: true });
} catch (error) {
  console.error(`${/** @type {Error} */ (error).message}\nName another folder: UPLOADS=FOLDER npm start`);
  process.exit(1);
}

/** @param {import("openline").Connection} connection */
async function receive(connection) {
  for await (const message of connection.messages()) {
    // The server names the file: a name that a client may choose can lead elsewhere.
    const path = join(folder, randomUUID());
    const hash = createHash("sha256");
    let received = 0;
    const tell = (/** @type {object} */ more) =>
      connection.send(JSON.stringify({ received, memory: process.memoryUsage.rss(), ...more }));
    try {
      // What the disk has not taken is not read from the network: a part is asked for when there is room for it.
      await pipeline(
        message,
        async function* (parts) {
          for await (const part of parts) {
            hash.update(part);
            received += part.length;
            if (received % step < part.length) tell({});
            yield part;
          }
        },
        createWriteStream(path),
      );
      tell({ sha256: hash.digest("hex") });
      console.log(`${received} bytes are in ${path}`);
    } catch (error) {
      rmSync(path, { force: true });
      connection.close(CloseCode.InternalError, "The message is not stored");
      console.log(`After ${received} bytes there came no more: ${/** @type {Error} */ (error).message}`);
    }
  }
}

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  hosts: ["localhost", "127.0.0.1"],
  routes: { "/upload": { accepts: "binary", open: receive } },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(`Uploads to ws://localhost:${server.port}/upload. Start the client beside it. Ctrl-C ends the server.`);
