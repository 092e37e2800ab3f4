/** Routes and clients that take text or binary messages alone. */
import { expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { CloseReport } from "../../src/connection/closing/close-report.ts";
import { accept } from "../../src/server/accept.ts";
import { serve } from "../../src/server/server.ts";
import { httpServer } from "../support/http-server.ts";
import { closeStatus, openRaw, type RawPeer } from "../support/raw-peer.ts";
import { serving } from "../support/serving.ts";
import { frameFrom } from "../support/wire.ts";

const refusal = { code: 1003, reason: "Messages of this type, text or binary, are not accepted" };

/** Sends one accepted and one refused message, whole or byte by byte, and returns the answers. */
async function answers(peer: RawPeer, opcode: 1 | 2, bytewise: boolean) {
  const frames = Buffer.concat([
    frameFrom("client", { opcode, payload: "taken" }),
    // The first frame of a message of 1 GiB is enough.
    frameFrom("client", { opcode: 3 - opcode, announced: 2n ** 30n, payload: "" }),
  ]);
  for (const part of bytewise ? frames : [frames]) {
    peer.socket.write(typeof part === "number" ? Uint8Array.of(part) : part);
    if (bytewise) await new Promise(setImmediate);
  }
  const [echo, close] = await peer.nextFrames(2);
  peer.reset();
  return [echo!.payload.toString(), closeStatus(close)];
}

test.each([
  ["text", 1, false],
  ["text", 1, true],
  ["binary", 2, false],
  ["binary", 2, true],
] as const)(
  "%s alone, opcode %i, byte by byte %s: the other type fails with 1003 [R6455-7.4.1-1]",
  async (accepts, opcode, bytewise) => {
    const reports: CloseReport[] = [];
    const { port } = await serving({
      limits: { maxMessageSize: 2 ** 31 },
      routes: {
        "/text": {
          accepts: "text",
          message: (connection, data) => void connection.send(data.toLowerCase()),
          close: (_, report) => void reports.push(report),
        },
        "/binary": {
          accepts: "binary",
          message: (connection, data) => void connection.send(data.subarray(0)),
          close: (_, report) => void reports.push(report),
        },
      },
    });
    expect(await answers(await openRaw(port, { path: `/${accepts}` }), opcode, bytewise)).toEqual(["taken", refusal]);
    const { port: accepting } = await httpServer((request, socket, head) => {
      void accept(request, socket, head, {
        accepts,
        limits: { maxMessageSize: 2 ** 31 },
        message: (connection, data) => void connection.send(data),
      });
    });
    expect(await answers(await openRaw(accepting), opcode, bytewise)).toEqual(["taken", refusal]);
    expect(reports.map(({ violation }) => violation)).toEqual(["message-type-not-accepted"]);
  },
);

test("a client can take one type alone, too [R6455-7.4.1-1]", async () => {
  const { port } = await serving({ routes: { "/": { open: (connection) => void connection.send(Uint8Array.of(1)) } } });
  const connection = await connect(`ws://127.0.0.1:${port}/`, { accepts: "text", message: () => expect.unreachable() });
  expect(await connection.closed).toMatchObject({ sent: refusal, violation: "message-type-not-accepted" });
});

test("text alone is delivered as bytes where the route itself asks for it", async () => {
  const { port } = await serving({
    routes: {
      "/": { accepts: "text", text: "bytes", message: (connection, data) => void connection.send(data.subarray(1)) },
    },
  });
  const connection = await connect(`ws://127.0.0.1:${port}/`);
  connection.send("xyz");
  for await (const data of connection) {
    expect(Buffer.from(data as Uint8Array).toString()).toBe("yz");
    break;
  }
  await expect(serve({ text: "bytes", routes: { "/": { accepts: "text" } } })).rejects.toThrow(
    new TypeError('Cannot accept text alone as bytes: the route itself has to say text: "bytes"'),
  );
  await expect(serve({ routes: { "/": { accepts: "json" as never } } })).rejects.toThrow(TypeError);
});

test("JSON is a call of the language each way where text alone is taken [G10 G11 G73 G78]", async () => {
  const { port } = await serving({
    routes: {
      "/": {
        accepts: "text",
        message: (connection, data) => void connection.send(JSON.stringify({ half: JSON.parse(data).whole / 2 })),
      },
    },
  });
  const half = await new Promise((resolve) => {
    void connect(`ws://127.0.0.1:${port}/`, {
      accepts: "text",
      open: (connection) => void connection.send(JSON.stringify({ whole: 3 })),
      message: (_, data) => resolve(JSON.parse(data)),
    });
  });
  expect(half).toEqual({ half: 1.5 });
});
