/** Output over TLS lies in memory that is used again when it has left: what many send at once, to fast and slow peers, is whole. */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import { OutputBuffer, slabSize } from "../../../src/protocol/frames/output-buffer.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { until } from "../../support/connection-pair.ts";
import { serving } from "../../support/serving.ts";

let certificates: Certificates;

beforeAll(() => {
  certificates = makeCertificates();
});

afterAll(() => certificates.remove());

afterEach(() => void vi.restoreAllMocks());

/** Bytes that differ between any two messages, behind their own hash. */
function madeMessage(client: number, index: number): Buffer {
  const body = Buffer.alloc(4000 + ((client * 7919 + index * 104_729) % 56_000), `${client}/${index};`);
  return Buffer.concat([createHash("sha256").update(body).digest(), body]);
}

function isWhole(message: Uint8Array): boolean {
  const body = message.subarray(32);
  return createHash("sha256").update(body).digest().equals(message.subarray(0, 32));
}

/** Echoes many messages to many clients, half of which stop for a while; returns how many came broken, to either end, and failed. */
async function brokenOf(clients: number, messages: number): Promise<number> {
  let broken = 0;
  const note = (data: string | Uint8Array): void => {
    if (!isWhole(data as Uint8Array)) broken++;
  };
  const { ca, server: pair } = certificates;
  const server = await serving({
    tls: pair,
    routes: {
      "/": {
        message: (connection, data) => {
          note(data);
          connection.send(data);
        },
      },
    },
  });
  let came = 0;
  let failed = 0;
  const all = await Promise.all(
    Array.from({ length: clients }, (_, client) =>
      connect(`wss://localhost:${server.port}/`, {
        tls: { ca },
        message: async (_connection, data) => {
          note(data);
          came++;
          if (client % 2 === 1 && came % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        },
        close: () => void failed++,
      }),
    ),
  );
  for (let index = 0; index < messages; index++) {
    for (const [client, connection] of all.entries()) connection.send(madeMessage(client, index));
    if (index % 4 === 3) await until(() => came >= (index - 3) * clients || failed > 0);
  }
  await until(() => came === clients * messages || failed > 0);
  const ends = failed;
  for (const connection of all) connection.terminate();
  return broken + ends;
}

test("every message is what was sent, in both roles [D12]", async () => {
  const { left } = OutputBuffer.prototype;
  let lent = 0;
  vi.spyOn(OutputBuffer.prototype, "left").mockImplementation(function (this: OutputBuffer) {
    if (this.lends) lent++;
    left.call(this);
  });
  expect(await brokenOf(12, 60)).toBe(0);
  expect(lent).toBeGreaterThan(0);
});

test("what a connection sends first takes no slab with it, if it is short [D08]", async () => {
  const { take } = OutputBuffer.prototype;
  const memories: number[] = [];
  vi.spyOn(OutputBuffer.prototype, "take").mockImplementation(function (this: OutputBuffer, ...how) {
    const pieces = take.apply(this, how);
    memories.push(...pieces.map(({ buffer }) => buffer.byteLength));
    return pieces;
  });
  const { ca, server: pair } = certificates;
  const server = await serving({ tls: pair, routes: { "/": { open: (connection) => void connection.send("short") } } });
  const texts: unknown[] = [];
  const connection = await connect(`wss://localhost:${server.port}/`, {
    tls: { ca },
    message: (_, data) => void texts.push(data),
  });
  await until(() => texts.length === 1);
  connection.close();
  await until(() => memories.length > 1);
  expect(Math.max(...memories)).toBeLessThan(slabSize);
});

test("control: memory that is used again before it has left breaks some", async () => {
  const { outputTaken } = Endpoint.prototype;
  vi.spyOn(Endpoint.prototype, "outputTaken").mockImplementation(function (this: Endpoint, left) {
    outputTaken.call(this, left, true);
    this.outputLeft();
  });
  expect(await brokenOf(12, 60)).toBeGreaterThan(0);
});
