/** Answers to an opening handshake that fail it, whole and byte by byte. */
import { Buffer } from "node:buffer";
import { expect } from "vitest";
import { type ConnectOptions, connect, type HandshakeError, type HandshakeRule } from "../../src/index.ts";
import { handshakeErrorOf } from "./outcomes.ts";
import { type Answer, rawServer } from "./raw-server.ts";

/** Expects an answer, sent whole and byte by byte, to fail with the rule and to leave no socket on either side. */
export async function failsWith(
  rule: HandshakeRule,
  answer: Answer,
  options: ConnectOptions = {},
): Promise<HandshakeError> {
  const bytewise: Answer = (request, socket) => {
    const bytes = toBytes(answer(request, socket) ?? "");
    let at = 0;
    const next = () => {
      if (at < bytes.length && !socket.destroyed) socket.write(bytes.subarray(at, ++at), () => setImmediate(next));
    };
    socket.setNoDelay(true);
    next();
    return undefined;
  };
  // Tens of thousands of bytes, one by one, take a busy machine longer than the default.
  const patient = { handshakeTimeout: 60_000, ...options };
  let first: HandshakeError | undefined;
  for (const [cut, respond] of Object.entries({ whole: answer, bytewise })) {
    const server = await rawServer(respond);
    const error = await handshakeErrorOf(connect(`ws://127.0.0.1:${server.port}/`, patient));
    expect([cut, error.rule]).toEqual([cut, rule]);
    await server.close();
    first ??= error;
  }
  return first!;
}

function toBytes(bytes: string | Uint8Array): Uint8Array {
  return typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
}
