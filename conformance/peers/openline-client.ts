/** Echo client on openline: connects to the URL again as soon as a connection has ended. */
import { compression } from "./compression.ts";

const { connect }: typeof import("../../src/index.ts") = await import(
  new URL("../../dist/index.js", import.meta.url).href
);

const [, , url = ""] = process.argv;
for (;;) {
  try {
    const connection = await connect(url, { compression });
    for await (const data of connection) connection.send(data);
    await connection.closed;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
