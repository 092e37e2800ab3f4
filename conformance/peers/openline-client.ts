/** Echo client on openline: connects to the URL again as soon as a connection has ended. */
import { connect } from "openline";
import { compression } from "./compression.ts";

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
