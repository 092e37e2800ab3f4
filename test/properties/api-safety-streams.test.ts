/**
 * The streams and iterators of a connection, given every kind of value in every state: a documented error or the documented
 * effect, the bytes of a model on the wire, and nothing outside of the call (faults D09, D10, D12).
 */
import { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { type AnyValue, anyValues, Hostile, payloadOf, poisonMemory, scribble } from "../support/any-values.ts";
import { connectionPair, until } from "../support/connection-pair.ts";
import { inParallel } from "../support/injection.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { failureOf, outcomeOf } from "../support/outcomes.ts";
import { closeStatus, type RawPeer } from "../support/raw-peer.ts";
import { finalCode, type State, sends, stage, states } from "../support/staged.ts";
import type { ReadFrame } from "../support/wire.ts";

const roles: readonly Role[] = ["server", "client"];
leavesNothing();

/** Enough of all kinds where the value can make no difference to us, only to the runtime. */
const sample = anyValues.filter(({ name }, index) => index % 8 === 0 || /[Pp]roxy|hostile|then/.test(name));
const together = 8;

/** What an error that was not thrown for a value says that came too late, or found the connection over. */
const late = /^Cannot write: the connection is closing or closed$|^The connection did not end as it should: /;

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : "no Error";
}

/** What messages of one frame say. */
function messagesOf(frames: readonly ReadFrame[]): string[] {
  return frames
    .filter(({ opcode }) => opcode === 1 || opcode === 2)
    .map(({ opcode, payload }) => `${opcode === 1 ? "text" : "bytes"} ${payload.toString("latin1")}`);
}

function messageOf({ sent, name }: AnyValue): string {
  if (typeof sent === "string") throw new Error(`${name} is no message`);
  return `${"text" in sent ? "text" : "bytes"} ${payloadOf(sent).toString("latin1")}`;
}

describe.each(roles.flatMap((role) => states.map((state) => [role, state] as const)))(
  "writable of the %s, %s",
  (role, state) => {
    async function write(value: AnyValue, staged: Awaited<ReturnType<typeof stage>>, writer: Writer) {
      const data = value.make();
      let writing: Promise<void> = Promise.resolve();
      await staged.act(() => {
        writing = writer.write(data as never);
        writing.catch(() => {});
      });
      const failure = await failureOf(writing);
      scribble(data);
      return failure;
    }

    test("D10, D12: write sends what send would, or fails", async () => {
      poisonMemory();
      const staged = await stage(role, state);
      const writer = writerOf(staged.connection);
      const sendable = anyValues.filter(({ sent }) => typeof sent === "object");
      for (const value of sendable) {
        const failure = await write(value, staged, writer);
        if (sends(state)) expect(failure, value.name).toBeUndefined();
        else expect(textOf(failure?.error), value.name).toMatch(late);
      }
      const messages = messagesOf(await withoutOwn(state, staged.finish()));
      expect(messages).toEqual(sends(state) ? sendable.map(messageOf) : []);
    });

    test("D10: write of what cannot be sent fails the stream, and sends nothing", async () => {
      // The value is judged by `send`, in any state; each costs a connection.
      const refused = anyValues.filter(({ sent }) => sent === "refused");
      await inParallel(
        state === "open" ? refused : refused.filter((one) => sample.includes(one)),
        together,
        async (value) => {
          const staged = await stage(role, state);
          const writer = writerOf(staged.connection);
          const { error } = (await write(value, staged, writer)) ?? {};
          const documented = sends(state)
            ? error instanceof TypeError || error instanceof Hostile
            : late.test(textOf(error));
          expect(documented, `${value.name}: ${textOf(error)}`).toBe(true);
          expect(await failureOf(writer.closed)).toEqual({ error });
          // As after `abort`, with 1011: nothing can be written any more.
          expect(staged.connection.readyState, value.name).toBe(sends(state) || state === "closing" ? 2 : 3);
          expect(messagesOf(await withoutOwn(state, staged.finish())), value.name).toEqual([]);
          expect(staged.errors).toEqual([]);
        },
      );
    });

    test("abort with any reason closes with 1011, close with 1000", async () => {
      await inParallel([...(state === "open" ? anyValues : sample), undefined], together, async (value) => {
        const staged = await stage(role, state);
        const writer = writerOf(staged.connection);
        let ending: Promise<void> = Promise.resolve();
        await staged.act(() => {
          ending = value ? writer.abort(value.make()) : writer.close();
          ending.catch(() => {});
        });
        const frames = await staged.finish();
        const failure = await failureOf(ending);
        const closed = closeStatus(frames.findLast(({ opcode }) => opcode === 8))?.code;
        const own = value ? 1011 : 1000;
        // A reason is the stream's own matter, and what was given up is over for whoever closes.
        if (sends(state)) expect([closed, failure], value?.name).toEqual([own, undefined]);
        else if (failure) expect(textOf(failure.error), value?.name).toMatch(late);
        if (state === "closing") expect(closed).toBe(finalCode);
        expect(messagesOf(await withoutOwn(state, Promise.resolve(frames)))).toEqual([]);
      });
    });
  },
);

type Writer = WritableStreamDefaultWriter<never>;

function writerOf(connection: Connection): Writer {
  const writer = connection.writable.getWriter() as Writer;
  writer.closed.catch(() => {});
  writer.ready.catch(() => {});
  return writer;
}

/** The frames without the message that the state itself sends in fragments. */
async function withoutOwn(state: State, finished: Promise<readonly ReadFrame[]>): Promise<readonly ReadFrame[]> {
  const frames = await finished;
  if (state !== "streaming") return frames;
  expect(frames[0]).toMatchObject({ opcode: 1, fin: false });
  return frames.slice(1);
}

const readStates = ["open", "closing", "peerClosing", "closed"] as const;
type ReadState = (typeof readStates)[number];

interface Unread {
  readonly connection: Connection;
  readonly peer: RawPeer;
}

/** A connection to which "a" and "b" were sent, and nobody has read. */
async function unread(role: Role, state: ReadState, prepare: (connection: Connection) => void): Promise<Unread> {
  const { connection, peer } = await connectionPair(role);
  prepare(connection);
  peer.text("a", "b");
  peer.send({ opcode: 9, payload: "?" });
  if (state === "peerClosing") peer.close(4001);
  await peer.until(() => peer.received.length > 0);
  await peer.nextFrame();
  if (state === "closing") connection.close(finalCode);
  if (state === "closing") await peer.until(() => peer.received.length > 0);
  if (state === "closed") connection.terminate();
  if (state === "closed") await connection.closed;
  if (state === "peerClosing") await until(() => coreOf(connection).endpoint.state === "peerClosing");
  return { connection, peer };
}

/** Answers the Close that comes, and tells what it said; nothing but a Close may come. */
async function endOf({ connection, peer }: Unread): Promise<number | undefined> {
  connection.close(finalCode);
  const frame = await peer.nextFrame();
  peer.close(1000);
  peer.end();
  expect(await peer.nextFrame()).toBeUndefined();
  await connection.closed;
  await peer.closed;
  return closeStatus(frame)?.code;
}

describe.each(roles.flatMap((role) => readStates.map((state) => [role, state] as const)))(
  "reading from the %s, %s",
  (role, state) => {
    const values = state === "open" ? anyValues : sample;
    /** What can still be read: a closed connection has nothing but what somebody had begun to read, our Close ends loops. */
    const whole = state === "open" || state === "peerClosing";

    test.each(["before", "after"])("readable, taken %s: cancel with any reason closes with 1000", async (when) => {
      await inParallel(values, together, async (value) => {
        let readable: ReadableStream | undefined;
        const prepare = (connection: Connection) => {
          readable = connection.readable;
        };
        const pair = await unread(role, state, when === "before" ? prepare : () => {});
        readable ??= pair.connection.readable;
        const reader = readable.getReader();
        if (whole) expect(await reader.read(), value.name).toEqual({ done: false, value: "a" });
        expect(await reader.cancel(value.make()), value.name).toBeUndefined();
        expect(await reader.read()).toEqual({ done: true, value: undefined });
        const expected = { open: 1000, peerClosing: 1000, closing: finalCode, closed: undefined };
        expect(await endOf(pair), value.name).toBe(expected[state]);
      });
    });

    test("an iterator's next and return take any argument, and make nothing of it", async () => {
      await inParallel(values, together, async (value) => {
        const pair = await unread(role, state, () => {});
        const iterator = pair.connection[Symbol.asyncIterator]() as AsyncIterator<unknown, unknown, unknown>;
        if (whole) expect(await iterator.next(value.make()), value.name).toEqual({ done: false, value: "a" });
        expect(await iterator.return!(value.make()), value.name).toEqual({ done: true, value: undefined });
        const other = pair.connection[Symbol.asyncIterator]() as AsyncIterator<unknown, unknown, unknown>;
        if (whole) expect(await other.next(value.make()), value.name).toEqual({ done: false, value: "b" });
        const last = other.next(value.make());
        const code = await endOf(pair);
        expect(await last, value.name).toEqual({ done: true, value: undefined });
        expect(await iterator.next(value.make()), value.name).toEqual({ done: true, value: undefined });
        if (state === "open" || state === "closing") expect(code).toBe(finalCode);
      });
    });

    test("messages and their parts are iterated with any argument", async () => {
      await inParallel(values, together, async (value) => {
        const pair = await unread(role, state, () => {});
        const messages = (pair.connection.messages as (argument: unknown) => ReturnType<Connection["messages"]>).call(
          pair.connection,
          value.make(),
        );
        expect(() => pair.connection.readable).toThrow("Cannot iterate: the messages are read as a stream");
        expect(() => pair.connection.toDuplex()).toThrow("Cannot iterate: the messages are read as a stream");
        const iterator = messages[Symbol.asyncIterator]() as AsyncIterator<AsyncIterable<unknown>, unknown, unknown>;
        for (const text of whole ? ["a", "b"] : []) {
          const next = await iterator.next(value.make());
          expect([next.done, next.value], value.name).toMatchObject([false, { text: true }]);
          const parts = (next.value as AsyncIterable<unknown>)[Symbol.asyncIterator]() as AsyncIterator<
            unknown,
            unknown,
            unknown
          >;
          expect(await parts.next(value.make()), value.name).toEqual({ done: false, value: text });
          expect(await parts.next(value.make()), value.name).toEqual({ done: true, value: undefined });
        }
        const last = iterator.next(value.make());
        await endOf(pair);
        expect(await last, value.name).toEqual({ done: true, value: undefined });
      });
    });

    test("D10, D12: toDuplex writes the bytes that a stream of Node's gets, or fails as that does", async () => {
      poisonMemory();
      const pair = await unread(role, state, () => {});
      const duplex = pair.connection.toDuplex().on("error", () => {});
      const given: Buffer[] = [];
      const node = nodeStream(given);
      if (state !== "open" && state !== "peerClosing") {
        // The first write destroys it, and the others find it so.
        for (const value of anyValues) {
          const { threw } = outcomeOf(() => duplex.write(value.make()));
          expect(threw === undefined || isNodes(threw), `${value.name}: ${threw}`).toBe(true);
        }
        await pair.connection.closed;
        pair.peer.end();
        return;
      }
      for (const value of anyValues) {
        const data = value.make();
        const ours = outcomeOf(() => duplex.write(data));
        scribble(data);
        const theirs = outcomeOf(() => node.write(value.make()));
        expect(kindOf(ours.threw), value.name).toBe(kindOf(theirs.threw));
        if (typeof value.make() === "function") continue;
        const encoded = outcomeOf(() => duplex.write("encoded", value.make() as never));
        const encodedThere = outcomeOf(() => node.write("encoded", value.make() as never));
        expect(kindOf(encoded.threw), value.name).toBe(kindOf(encodedThere.threw));
      }
      duplex.end();
      const frames = await allFrames(pair);
      expect(frames.pop()?.opcode).toBe(8);
      expect(frames.every(({ opcode, fin }) => opcode === 2 && fin)).toBe(true);
      expect(frames).toHaveLength(given.length);
      for (const [i, { payload }] of frames.entries()) expect(payload.equals(given[i]!), String(i)).toBe(true);
    });

    test("toDuplex ends and is destroyed with any value as a stream of Node's", async () => {
      await inParallel(values, together, async (value) => {
        for (const how of ["end", "destroy"] as const) {
          // That would be a callback, and what it throws the caller's own.
          if (how === "end" && typeof value.make() === "function") continue;
          const pair = await unread(role, state, () => {});
          const errors: unknown[] = [];
          const duplex = pair.connection.toDuplex().on("error", (error) => errors.push(error));
          const given: Buffer[] = [];
          const node = nodeStream(given);
          const ours = outcomeOf(() => duplex[how](value.make() as never));
          const theirs = outcomeOf(() => node[how](value.make() as never));
          expect(kindOf(ours.threw), `${how} ${value.name}`).toBe(kindOf(theirs.threw));
          const terminated = how === "destroy" || state === "closing" || state === "closed";
          duplex.resume();
          if (ours.threw !== undefined || how === "destroy") duplex.destroy();
          const frames = await allFrames(pair);
          const sent = frames.filter(({ opcode }) => opcode === 2).map(({ payload }) => payload.toString("latin1"));
          const expected = terminated || ours.threw !== undefined ? [] : given.map((bytes) => bytes.toString("latin1"));
          expect(sent, `${how} ${value.name}`).toEqual(expected);
        }
      });
    });
  },
);

/** Takes all that is written. */
function nodeStream(given: Buffer[]): Duplex {
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => {
      given.push(Buffer.from(chunk));
      done();
    },
  });
  return stream.on("error", () => {});
}

/** What kind of error Node's streams throw for a value. */
function kindOf(threw: unknown): string {
  if (threw === undefined) return "nothing";
  return threw instanceof Error ? `${threw.name} ${(threw as { code?: string }).code ?? ""}` : "no Error";
}

function isNodes(threw: unknown): boolean {
  return threw instanceof TypeError || threw instanceof RangeError || threw instanceof Hostile;
}

/** All that comes until the connection is over; the Close that may be among it is answered. */
async function allFrames({ connection, peer }: Unread): Promise<ReadFrame[]> {
  const frames: ReadFrame[] = [];
  for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
    frames.push(frame);
    if (frame.opcode !== 8) continue;
    peer.close(1000);
    peer.end();
  }
  peer.end();
  await connection.closed;
  await peer.closed;
  return frames;
}
