/**
 * `WebSocketStream` given every kind of value in every state: what Web IDL makes of it is sent, or the call fails in a
 * documented way; what a stream is cancelled or aborted with never keeps a connection open (faults D09, D10, D12).
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connect, WebSocketError, type WebSocketOpenInfo, WebSocketStream } from "../../src/index.ts";
import {
  type AnyValue,
  anyValues,
  Hostile,
  type Meaning,
  payloadOf,
  poisonMemory,
  scribble,
  webIdlOf,
} from "../support/any-values.ts";
import { eventually, inParallel } from "../support/injection.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { failureOf } from "../support/outcomes.ts";
import { closeStatus, RawPeer } from "../support/raw-peer.ts";
import { acceptance, type RawServer, rawServer } from "../support/raw-server.ts";
import { resources } from "../support/resources.ts";
import type { ReadFrame } from "../support/wire.ts";

/** By the path that was asked for. */
const peers = new Map<string, RawPeer>();
let raw: RawServer;
let paths = 0;
let socketsBefore = 0;

leavesNothing();

beforeAll(async () => {
  raw = await rawServer((request, socket) => {
    if (request.target.startsWith("/silent")) return undefined;
    peers.set(request.target, new RawPeer(socket, "server"));
    return acceptance(request);
  });
  socketsBefore = resources().TCPSocketWrap ?? 0;
});
afterEach(async () => {
  // Some are accepted when their client has gone already.
  await eventually(
    () => {
      for (const socket of raw.sockets) socket.destroy();
      return (resources().TCPSocketWrap ?? 0) <= socketsBefore;
    },
    () => "the end of all sockets",
  );
});
afterAll(() => raw.close());

const together = 8;
const options = { compression: false, serialize: false };

interface Opened extends WebSocketOpenInfo {
  readonly stream: WebSocketStream;
  readonly peer: RawPeer;
}

async function opened(): Promise<Opened> {
  const path = `/${paths++}`;
  const stream = new WebSocketStream(`ws://127.0.0.1:${raw.port}${path}`, options);
  const info = await stream.opened;
  return { ...info, stream, peer: peers.get(path)! };
}

/** Answers the Close that comes, and returns all frames. */
async function framesOf({ peer, stream }: Opened): Promise<ReadFrame[]> {
  const frames: ReadFrame[] = [];
  for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
    frames.push(frame);
    if (frame.opcode !== 8) continue;
    peer.close(1000);
    peer.end();
  }
  await failureOf(stream.closed);
  await peer.closed;
  return frames;
}

/** The writable's writer, whose promises nobody looks at unless a test does. */
function writerOf({ writable }: Opened): WritableStreamDefaultWriter<never> {
  const writer = writable.getWriter() as WritableStreamDefaultWriter<never>;
  writer.closed.catch(() => {});
  writer.ready.catch(() => {});
  return writer;
}

/** What a write makes of a value: BufferSource or USVString. */
function meaningOf(value: AnyValue): Meaning {
  const made = value.make();
  return made instanceof Blob && /Blob/.test(value.name) ? textOf(made) : webIdlOf(value);
}

function textOf(value: unknown): Meaning {
  try {
    return typeof value === "symbol" ? "refused" : { text: String(value) };
  } catch {
    return "refused";
  }
}

/** An error that is documented for a value, or the caller's own. */
function isDocumented(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof DOMException ||
    error instanceof Hostile
  );
}

describe("write", () => {
  test("D10, D12: sends what Web IDL makes of it", async () => {
    poisonMemory();
    const one = await opened();
    const writer = writerOf(one);
    const sent: Exclude<Meaning, string>[] = [];
    for (const value of anyValues) {
      const meaning = safely(() => meaningOf(value));
      if (typeof meaning === "string") continue;
      const data = value.make();
      expect(await failureOf(writer.write(data as never)), value.name).toBeUndefined();
      scribble(data);
      sent.push(meaning);
    }
    one.stream.close();
    const frames = await framesOf(one);
    expect(frames.pop()?.opcode).toBe(8);
    expect(frames).toHaveLength(sent.length);
    for (const [i, { opcode, payload }] of frames.entries()) {
      expect(opcode).toBe("text" in sent[i]! ? 1 : 2);
      expect(payload.equals(payloadOf(sent[i]!)), String(i)).toBe(true);
    }
  });

  test("D10: fails the stream for the rest, and sends nothing", async () => {
    const refused = anyValues.filter((value) => safely(() => meaningOf(value)) === "refused");
    expect(refused.length).toBeGreaterThan(10);
    await inParallel(refused, together, async (value) => {
      const one = await opened();
      const writer = writerOf(one);
      const failure = await failureOf(writer.write(value.make() as never));
      expect(failure?.error instanceof TypeError || failure?.error instanceof Hostile, value.name).toBe(true);
      expect(await failureOf(writer.closed)).toEqual(failure);
      one.stream.close();
      expect((await framesOf(one)).map(({ opcode }) => opcode)).toEqual([8]);
    });
  });

  test("after close, and after the end: nothing is sent", async () => {
    const one = await opened();
    const writer = writerOf(one);
    one.stream.close();
    for (const value of anyValues) {
      const failure = await failureOf(writer.write(value.make() as never));
      if (failure) expect(isDocumented(failure.error), value.name).toBe(true);
    }
    expect((await framesOf(one)).map(({ opcode }) => opcode)).toEqual([8]);
    for (const value of anyValues) {
      const failure = await failureOf(writer.write(value.make() as never));
      expect(isDocumented(failure?.error), value.name).toBe(true);
    }
  });
});

/** Proxies throw when they are looked at. */
function safely(look: () => Meaning): Meaning {
  try {
    return look();
  } catch {
    return "refused";
  }
}

describe("close", () => {
  /** What a Close must say; undefined when the call must throw. */
  type Says = { readonly code: number; readonly reason: string } | undefined;
  const empty = { code: 1005, reason: "" };

  function codeSays(value: unknown): Says {
    if (value === undefined) return empty;
    try {
      const code = Math.trunc(+(value as number));
      return code === 1000 || (code >= 3000 && code <= 4999) ? { code, reason: "" } : undefined;
    } catch {
      return undefined;
    }
  }

  function reasonSays(value: unknown): Says {
    if (value === undefined) return empty;
    const meaning = textOf(value);
    if (typeof meaning === "string") return undefined;
    const reason = payloadOf(meaning).toString();
    if (reason === "") return empty;
    return Buffer.byteLength(reason) <= 123 ? { code: 1000, reason } : undefined;
  }

  function infoSays(value: unknown): Says {
    if (value === undefined || value === null) return empty;
    if (typeof value !== "object" && typeof value !== "function") return undefined;
    try {
      const { closeCode, reason } = value as Record<string, unknown>;
      return closeCode === undefined && reason === undefined ? empty : undefined;
    } catch {
      return undefined;
    }
  }

  const arguments_: readonly [name: string, says: (value: unknown) => Says, given: (value: unknown) => unknown][] = [
    ["any close info", infoSays, (value) => value],
    ["any code", codeSays, (closeCode) => ({ closeCode })],
    ["any reason", reasonSays, (reason) => ({ reason })],
  ];

  test.each(arguments_)("D10: takes %s, or throws and stays open", async (_, says, given) => {
    await inParallel(anyValues, together, async (value) => {
      const one = await opened();
      const expected = says(value.make());
      let threw: { error: unknown } | undefined;
      try {
        one.stream.close(given(value.make()) as never);
      } catch (error) {
        threw = { error };
      }
      if (expected) expect(threw, value.name).toBeUndefined();
      else expect(isDocumented(threw?.error), value.name).toBe(true);
      // Nothing comes of a second call where the first has closed.
      one.stream.close({ closeCode: 4321 });
      const frames = await framesOf(one);
      expect(
        frames.map((frame) => closeStatus(frame)),
        value.name,
      ).toEqual([expected ?? { code: 4321, reason: "" }]);
    });
  });

  test.each(arguments_)("takes %s before it is open and after the end, or throws", async (_, says, given) => {
    await inParallel(anyValues, together, async (value) => {
      const stream = new WebSocketStream(`ws://127.0.0.1:${raw.port}/silent`, options);
      for (const again of [false, true]) {
        const expected = says(value.make());
        let threw: { error: unknown } | undefined;
        try {
          stream.close(given(value.make()) as never);
        } catch (error) {
          threw = { error };
        }
        expect(threw === undefined, `${value.name}, ${again}`).toBe(expected !== undefined);
        if (threw) expect(isDocumented(threw.error), value.name).toBe(true);
        stream.close();
        expect((await failureOf(stream.opened))?.error).toBeInstanceOf(WebSocketError);
        expect((await failureOf(stream.closed))?.error).toBeInstanceOf(WebSocketError);
      }
    });
  });
});

describe.each(["cancel", "abort"] as const)("%s", (how) => {
  /** What it is done with, and what the Close says; values of no kind that says how to close make an empty one. */
  const reasons: readonly [name: string, make: () => unknown, code: number, reason: string][] = [
    ...anyValues.map(({ name, make }) => [name, make, 1005, ""] as [string, () => unknown, number, string]),
    ["WebSocketError", () => new WebSocketError("m", { closeCode: 4444, reason: "why" }), 4444, "why"],
    ["WebSocketError without a code", () => new WebSocketError("m"), 1005, ""],
    ["what says it is a WebSocketError", () => Object.create(WebSocketError.prototype), 1005, ""],
    ["Proxy of a WebSocketError", () => new Proxy(new WebSocketError("m", { closeCode: 4444 }), {}), 1005, ""],
  ];

  test("D10: closes, whatever the reason", async () => {
    await inParallel(reasons, together, async ([name, make, code, reason]) => {
      const one = await opened();
      if (how === "cancel") expect(await failureOf(one.readable.cancel(make())), name).toBeUndefined();
      else void failureOf(one.writable.abort(make()));
      await eventually(
        () => one.peer.received.length > 0,
        () => `the Close for ${name}`,
      );
      expect(
        (await framesOf(one)).map((frame) => closeStatus(frame)),
        name,
      ).toEqual([{ code, reason }]);
    });
  });

  test("after close, and after the end: the Close stays what it was", async () => {
    for (const [name, make] of reasons) {
      const one = await opened();
      one.stream.close({ closeCode: 4000 });
      const stream = how === "cancel" ? one.readable : one.writable;
      const reason = make() as never;
      const ending = failureOf("cancel" in stream ? stream.cancel(reason) : stream.abort(reason));
      expect(
        (await framesOf(one)).map((frame) => closeStatus(frame)?.code),
        name,
      ).toEqual([4000]);
      expect(await ending, name).toBeUndefined();
      const again = "cancel" in stream ? stream.cancel(reason) : stream.abort(reason);
      expect(await failureOf(again), name).toBeUndefined();
    }
  });
});

describe("options", () => {
  const keys = "protocols signal limits compression keepalive headers tls origin cookieJar handshakeTimeout serialize";

  test.each(keys.split(" "))("any value as %s: a documented error, or a connection that can be closed", async (key) => {
    await inParallel(anyValues, together, async (value) => {
      let stream: WebSocketStream;
      try {
        stream = new WebSocketStream(`ws://127.0.0.1:${raw.port}/silent`, { serialize: false, [key]: value.make() });
      } catch (error) {
        expect(isDocumented(error), `${value.name}: ${error}`).toBe(true);
        return;
      }
      stream.close();
      expect((await failureOf(stream.opened))?.error, value.name).toBeInstanceOf(WebSocketError);
      expect((await failureOf(stream.closed))?.error, value.name).toBeInstanceOf(WebSocketError);
    });
  });

  test.each(["before", "meanwhile"])("a signal aborted with any reason %s is what it fails with", async (when) => {
    await inParallel(anyValues, together, async (value) => {
      const controller = new AbortController();
      const { signal } = controller;
      if (when === "before") controller.abort(value.make());
      const url = `ws://127.0.0.1:${raw.port}/silent`;
      const stream = new WebSocketStream(url, { ...options, signal });
      const connecting = failureOf(connect(url, { ...options, signal }));
      if (when === "meanwhile") setImmediate(() => controller.abort(value.make()));
      for (const failing of [failureOf(stream.opened), failureOf(stream.closed), connecting]) {
        const { error } = (await failing)!;
        expect(Object.is(error, signal.reason), value.name).toBe(true);
      }
    });
  });
});
