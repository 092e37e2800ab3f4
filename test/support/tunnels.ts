/** Connections through proxies. */
import { expect } from "vitest";
import { type ConnectOptions, connect } from "../../src/index.ts";

/** Opens a connection, lets the server echo something long, and closes it. */
export async function echoesThroughTunnel(url: string, options: ConnectOptions): Promise<void> {
  const connection = await connect(url, options);
  const text = `through a tunnel ${"x".repeat(100_000)}`;
  connection.send(text);
  for await (const data of connection) {
    expect(data).toBe(text);
    break;
  }
  connection.close();
  expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
}
