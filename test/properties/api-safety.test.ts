/**
 * Every call of a connection with every kind of argument in every state: a documented error or the documented effect. What
 * is on the wire is what a model says, never memory of somebody else, and nothing is thrown outside of the call (faults
 * D10, D12).
 */
import { types } from "node:util";
import { inflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { type AnyValue, anyValues, Hostile, payloadOf, poisonMemory, scribble } from "../support/any-values.ts";
import { until } from "../support/connection-pair.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { outcomeOf } from "../support/outcomes.ts";
import { closeStatus } from "../support/raw-peer.ts";
import { finalCode, type State, sends, stage, states } from "../support/staged.ts";
import type { ReadFrame } from "../support/wire.ts";

const roles: readonly Role[] = ["server", "client"];
const everywhere = roles.flatMap((role) => states.map((state) => [role, state] as const));
leavesNothing();

/** A message as it was on the wire. */
interface Message {
  readonly text: boolean;
  readonly payload: string;
}

/** Puts messages together by another decoder: fragments joined, compressed ones inflated. */
function messagesOf(frames: readonly ReadFrame[]): Message[] {
  const messages: Message[] = [];
  let parts: ReadFrame[] = [];
  for (const frame of frames) {
    if (frame.opcode >= 8) continue;
    expect(frame.opcode === 0).toBe(parts.length > 0);
    parts.push(frame);
    if (!frame.fin) continue;
    const joined = Buffer.concat(parts.map(({ payload }) => payload));
    const deflated = parts[0]!.rsv === 4;
    const payload = deflated
      ? inflateRawSync(Buffer.concat([joined, Buffer.of(0, 0, 0xff, 0xff)]), { finishFlush: 2 })
      : joined;
    messages.push({ text: parts[0]!.opcode === 1, payload: payload.toString("latin1") });
    parts = [];
  }
  expect(parts).toEqual([]);
  return messages;
}

/** What a value must become. */
function messageOf({ sent }: AnyValue): Message | undefined {
  if (typeof sent === "string") return undefined;
  return { text: "text" in sent, payload: payloadOf(sent).toString("latin1") };
}

/** The messages without those that the state itself sends. */
function beside(state: State, messages: Message[]): Message[] {
  if (state !== "streaming") return messages;
  expect(messages.shift()).toEqual({ text: true, payload: "<>" });
  return messages;
}

/** Whether nobody looks at the memory of this any more: that it is gone is no error then. */
function isUnread(data: unknown, state: State): boolean {
  const known = () => data instanceof Uint8Array;
  return !sends(state) && outcomeOf(known).gave === true;
}

/** Whether an error is one that is documented, or the caller's own. */
function isDocumented(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof Hostile;
}

describe.each(everywhere)("the %s, %s", (role, state) => {
  test.each([false, true])(
    "D10, D12: send sends what the data is, or throws a TypeError; compressed: %s",
    async (compress) => {
      poisonMemory();
      const staged = await stage(role, state, compress);
      const expected: Message[] = [];
      for (const value of anyValues) {
        if (value.sent === "fails") continue;
        const data = value.make();
        await staged.act(() => {
          const { threw, gave } = outcomeOf(() => staged.connection.send(data as never, { copy: true }));
          scribble(data);
          if (value.sent === "refused" && isUnread(data, state)) {
            expect([threw, gave], value.name).toEqual([undefined, false]);
            return;
          }
          if (value.sent === "refused") {
            expect(threw instanceof TypeError || threw instanceof Hostile, `${value.name}: ${threw}`).toBe(true);
            return;
          }
          expect([threw, typeof gave], value.name).toEqual([undefined, "boolean"]);
          if (!sends(state)) expect(gave, value.name).toBe(false);
          else expected.push(messageOf(value)!);
        });
      }
      const messages = beside(state, messagesOf(await staged.finish()));
      for (const [i, message] of messages.entries()) expect(message, String(i)).toEqual(expected[i]);
      expect(messages).toHaveLength(expected.length);
      expect(staged.errors).toEqual([]);
    },
  );

  test("D09: what a Blob cannot give closes with 1011", async () => {
    const failing = anyValues.filter(({ sent }) => sent === "fails");
    expect(failing.length).toBeGreaterThan(0);
    for (const value of failing) {
      const staged = await stage(role, state);
      await staged.act(() => void staged.connection.send(value.make() as never));
      if (state !== "streaming" && state !== "stalled") await staged.connection.ready;
      // What is sent after fragments is not read before their end.
      if (sends(state) && state !== "streaming") await until(() => staged.errors.length > 0);
      const frames = await staged.finish();
      expect(beside(state, messagesOf(frames)), value.name).toEqual([]);
      if (!sends(state)) continue;
      expect(staged.errors, value.name).toEqual([expect.any(TypeError)]);
      expect(closeStatus(frames.at(-1))?.code, value.name).toBe(1011);
    }
  });

  test.each([false, true])("D09: any options of send and of sendFragments; compressed: %s", async (compress) => {
    const staged = await stage(role, state, compress);
    const expected: string[] = [];
    for (const [i, value] of anyValues.entries()) {
      await staged.act(() => {
        const { threw } = outcomeOf(() => staged.connection.send(`s${i}`, value.make() as never));
        if (threw !== undefined) expect(isDocumented(threw), `${value.name}: ${threw}`).toBe(true);
        else if (sends(state)) expected.push(`s${i}`);
        const given = value.make() as never;
        const { threw: refused, gave } = outcomeOf(() => staged.connection.sendFragments([`f${i}`], given));
        if (refused !== undefined) expect(isDocumented(refused), `${value.name}: ${refused}`).toBe(true);
        else expect(gave, value.name).toBeInstanceOf(Promise);
        if (sends(state) && refused === undefined) expected.push(`f${i}`);
      });
    }
    const messages = beside(state, messagesOf(await staged.finish()));
    expect(messages.map(({ payload }) => payload)).toEqual(expected);
    expect(staged.errors).toEqual([]);
  });

  test.each(["ping", "pong"] as const)("D10, D12: %s takes up to 125 bytes and nothing else", async (name) => {
    poisonMemory();
    const staged = await stage(role, state);
    const expected: string[] = [];
    for (const value of anyValues) {
      const payload = value.make();
      await staged.act(() => {
        const { threw, gave } = outcomeOf(() => staged.connection[name](payload as never));
        scribble(payload);
        const takes = types.isUint8Array(payload) && payload instanceof Uint8Array && typeof value.sent === "object";
        if (isUnread(payload, state) && !takes) return;
        if (payload !== undefined && !takes) {
          expect(threw instanceof TypeError || threw instanceof Hostile, `${value.name}: ${threw}`).toBe(true);
          return;
        }
        const bytes = takes ? payloadOf(value.sent as never) : undefined;
        if (bytes && bytes.length > 125) {
          expect(threw, value.name).toBeInstanceOf(RangeError);
          return;
        }
        expect(threw, value.name).toBeUndefined();
        if (name === "ping") expect(gave, value.name).toBeInstanceOf(Promise);
        if (sends(state)) expected.push(bytes?.toString("latin1") ?? "its own");
      });
    }
    const frames = (await staged.finish()).filter(({ opcode }) => opcode === (name === "ping" ? 9 : 10));
    expect(frames.every(({ fin, rsv }) => fin && rsv === 0)).toBe(true);
    const payloads = frames.map(({ payload }) => payload.toString("latin1"));
    expect(payloads).toHaveLength(expected.length);
    for (const [i, payload] of payloads.entries()) {
      if (expected[i] === "its own") expect(payload).toHaveLength(name === "ping" ? 8 : 0);
      else expect(payload).toBe(expected[i]);
    }
  });

  test("D10: close takes a code that may be sent and a reason that fits, and nothing else", async () => {
    poisonMemory();
    const calls: [name: string, make: () => unknown[], says: { code: number; reason: string } | undefined][] = [];
    for (const value of anyValues) {
      const code = value.make();
      const reason = value.make();
      const says = code === undefined ? 1000 : mayBeSent(code) ? (code as number) : undefined;
      calls.push([
        `code ${value.name}`,
        () => [value.make()],
        says === undefined ? undefined : { code: says, reason: "" },
      ]);
      const fits = reason === undefined || (typeof reason === "string" && Buffer.byteLength(reason) <= 123);
      const text = fits ? Buffer.from((reason as string | undefined) ?? "").toString() : "";
      calls.push([`reason ${value.name}`, () => [4321, value.make()], fits ? { code: 4321, reason: text } : undefined]);
    }
    let staged = await stage(role, state);
    for (const [name, make, says] of calls) {
      const { readyState } = staged.connection;
      let threw: unknown;
      await staged.act(() => {
        threw = outcomeOf(() => staged.connection.close(...(make() as []))).threw;
      });
      if (says === undefined) {
        expect(isDocumented(threw), `${name}: ${threw}`).toBe(true);
        expect(staged.connection.readyState, name).toBe(readyState);
        continue;
      }
      expect(threw, name).toBeUndefined();
      if (!sends(state)) continue;
      expect(staged.connection.readyState, name).toBe(2);
      expect(closeStatus((await staged.finish()).at(-1)), name).toEqual(says);
      staged = await stage(role, state);
    }
    const last = closeStatus((await staged.finish()).at(-1));
    // Here the echo of the peer's may come first.
    if (sends(state)) expect(state === "peerClosing" ? [finalCode, 4001] : [finalCode]).toContain(last?.code);
  });

  test("D09, D12: sendFragments sends what an iterable gives, or fails the connection with 1011", async () => {
    poisonMemory();
    let staged = await stage(role, state);
    let expected: Message[] = [];
    for (const value of anyValues) {
      let sending: Promise<void> | undefined;
      let refused: unknown;
      await staged.act(() => {
        const { threw, gave } = outcomeOf(() => staged.connection.sendFragments(value.make() as never));
        refused = threw;
        sending = gave as Promise<void> | undefined;
      });
      if (value.fragments === undefined) {
        if (refused !== undefined) {
          expect(refused instanceof TypeError || refused instanceof Hostile, `${value.name}: ${refused}`).toBe(true);
          continue;
        }
        if (!sends(state)) {
          await expect(sending, value.name).rejects.toThrow("the connection is closing or closed");
          continue;
        }
        const finished = staged.finish();
        const error = await sending!.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(isDocumented(error), `${value.name}: ${error}`).toBe(true);
        const frames = await finished;
        expect(closeStatus(frames.at(-1))?.code, value.name).toBe(1011);
        expect(staged.errors, value.name).toEqual([error]);
        staged = await stage(role, state);
        expected = [];
        continue;
      }
      expect(refused, value.name).toBeUndefined();
      if (sends(state)) expected.push(messageOf({ ...value, sent: value.fragments })!);
      else await expect(sending, value.name).rejects.toThrow("the connection is closing or closed");
    }
    const messages = beside(state, messagesOf(await staged.finish()));
    expect(messages).toEqual(expected);
    expect(staged.errors).toEqual([]);
  });
});

/** The codes that an application may give to `close`; 1005 stands for a Close without a code. */
function mayBeSent(code: unknown): boolean {
  if (typeof code !== "number" || !Number.isInteger(code)) return false;
  return (
    [1000, 1001, 1002, 1003, 1005].includes(code) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
  );
}
