/** What `node:http` does with a request that has more header fields than it keeps. */
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";

/**
 * Whether it refuses such a request with 431, as Node 24 and the last of Node 22 do; before, it hands on the fields that it
 * keeps and says nothing.
 */
export async function refusesManyFields(): Promise<boolean> {
  const server = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
  server.maxHeadersCount = 1;
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const answer = await text(socket);
  server.close();
  return answer.startsWith("HTTP/1.1 431 ");
}
