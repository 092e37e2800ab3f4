/**
 * Run in a process of its own with `--expose-gc`: prints how many bytes more than before were in use, garbage not counted,
 * at the worst of many looks while a connection in the given role took one message of so many MiB, `text` or `binary`
 * through `messages()` or `whole` as a control, from a peer in the same process.
 */

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { Connection, coreOf } from "../../src/connection/connection.ts";
import { connectionLimits } from "../../src/connection/options/limits.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { transportOver } from "../../src/transport/streams/transport-over.ts";

const [role = "", kind = "", mebibytes = ""] = process.argv.slice(2);
const whole = kind === "whole";
const MiB = 1024 * 1024;

const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
const far = connect((server.address() as { port: number }).port, "127.0.0.1");
const [near] = (await once(server, "connection")) as [Socket];

const connection = new Connection({
  endpoint: new Endpoint({ role: role as Role, ...(whole && { maxMessageSize: Number(mebibytes) * MiB }) }),
  transport: transportOver(near, role === "server"),
  settings: { limits: connectionLimits, handlers: {}, keepalive: undefined },
});
const streams = whole ? undefined : connection.messages()[Symbol.asyncIterator]();
const messages = whole ? connection[Symbol.asyncIterator]() : undefined;
coreOf(connection).start();

/** Bytes in use, on V8's heap and outside of it, once garbage is collected: when V8 would have done so does not count. */
function held(): number {
  global.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let most = 0;

/** A frame of so many bytes, all `x`; with a key of zeros, masking changes nothing. Looks after every 8 MiB. */
async function sendFrame(length: number): Promise<void> {
  const header = Buffer.alloc(role === "server" ? 14 : 10);
  header[0] = kind === "text" ? 0x81 : 0x82;
  header[1] = 127 + (role === "server" ? 128 : 0);
  header.writeBigUInt64BE(BigInt(length), 2);
  far.write(header);
  const piece = Buffer.alloc(64 * 1024, "x");
  for (let sent = 0; sent < length; sent += piece.length) {
    if (!far.write(piece)) await once(far, "drain");
    if (sent % (8 * MiB) === 0) most = Math.max(most, held());
  }
}

async function takeMessage(): Promise<number> {
  if (messages) return (await messages.next()).value!.length;
  const { value } = await streams!.next();
  let length = 0;
  for await (const part of value!) length += part.length;
  return length;
}

// Everything that runs once has run before the first look.
await Promise.all([sendFrame(16 * MiB), takeMessage()]);
const before = held();
most = 0;
const [, taken] = await Promise.all([sendFrame(Number(mebibytes) * MiB), takeMessage()]);
process.stdout.write(JSON.stringify({ taken, grown: most - before }));
connection.terminate();
far.destroy();
server.close();
