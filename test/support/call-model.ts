/**
 * What the calls of a connection must put on the wire: messages whole and in the order of the calls, control frames
 * between them, one Close behind all. Knows nothing of the code under test.
 */
import { inflateRawSync } from "node:zlib";
import { expect } from "vitest";
import { closeStatus } from "./raw-peer.ts";
import type { ReadFrame } from "./wire.ts";

/** A message that was taken to be sent. */
interface Expected {
  readonly text: boolean;
  readonly payload: Buffer;
  /** It cannot be read, or its fragments end before it does; the connection ends with it. */
  readonly breaks: boolean;
  /** What became of the promise of its sending. */
  settled?: boolean;
}

interface Control {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Whether it must come. */
  readonly required: boolean;
}

/** The model of one connection. */
export class CallModel {
  readonly #messages: Expected[] = [];
  readonly #controls: Control[] = [];
  readonly #answers: Buffer[] = [];
  #close: { readonly code: number; readonly reason: string } | undefined;
  terminated = false;

  /** A message was taken. */
  sends(text: boolean, payload: Buffer): void {
    this.#messages.push({ text, payload, breaks: false });
  }

  /** A message was taken that cannot be read: nothing of it comes, and it ends the connection in its place. */
  loses(): void {
    this.#messages.push({ text: false, payload: Buffer.alloc(0), breaks: true });
  }

  /** A message in fragments was taken; to be told whether its promise was fulfilled. */
  streams(text: boolean, payload: Buffer, breaks: boolean): (fulfilled: boolean) => void {
    const message: Expected = { text, payload, breaks };
    this.#messages.push(message);
    return (fulfilled) => {
      message.settled = fulfilled;
    };
  }

  /** A Ping or Pong was asked for; it must be sent when the connection is open. */
  controls(name: "ping" | "pong", payload: Uint8Array, required: boolean): void {
    this.#controls.push({ opcode: name === "ping" ? 9 : 10, payload: Buffer.from(payload), required });
  }

  /** The first close was asked for. */
  closes(code: number, reason: string): void {
    this.#close ??= { code, reason };
  }

  terminates(): void {
    this.terminated = true;
  }

  /** What the peer's next Ping carries. */
  peerPings(): Buffer {
    const payload = Buffer.from(`peer ${this.#answers.length}`);
    this.#answers.push(payload);
    return payload;
  }

  /** Holds all frames that the peer got to the model; the connection told so many errors. */
  check(frames: readonly ReadFrame[], errors: number): void {
    this.#checkControls(frames.filter(({ opcode }) => opcode > 8));
    const end = frames.findIndex(({ opcode }) => opcode === 8);
    // Pings are answered until the peer's own Close has come (section 5.5.2).
    const behind = end < 0 ? [] : frames.slice(end + 1);
    expect(behind.filter((frame) => !this.#isAnswer(frame))).toEqual([]);
    const { whole, rest } = messagesOf(frames.filter(({ opcode }) => opcode < 8));
    const broken = this.#messages.findIndex(({ breaks }) => breaks);
    const expected = broken < 0 ? this.#messages : this.#messages.slice(0, broken);
    for (const [i, { text, payload }] of whole.entries()) {
      expect(text, `message ${i}`).toBe(expected[i]?.text);
      expect(payload.equals(expected[i]!.payload), `message ${i}: ${payload.subarray(0, 20)}`).toBe(true);
    }
    if (this.terminated) return;
    expect(whole).toHaveLength(expected.length);
    expect(rest.equals((this.#messages[broken]?.payload ?? rest).subarray(0, rest.length))).toBe(true);
    if (broken < 0) expect(rest).toHaveLength(0);
    const failed = { code: 1011, reason: "" };
    expect(closeStatus(frames[end])).toEqual(broken >= 0 ? failed : (this.#close ?? failed));
    // Behind one that breaks the connection, others may still be asked before the transport is gone.
    const certain = broken < 0 ? 0 : 1;
    const breaking = this.#messages.filter(({ breaks }) => breaks).length;
    expect(errors).toBeGreaterThanOrEqual(certain);
    expect(errors).toBeLessThanOrEqual(breaking);
    for (const message of this.#messages) {
      if (message.settled !== undefined) expect(message.settled).toBe(expected.includes(message));
    }
  }

  #isAnswer({ opcode, payload }: ReadFrame): boolean {
    return opcode === 10 && this.#answers.some((answer) => answer.equals(payload));
  }

  #checkControls(frames: readonly ReadFrame[]): void {
    for (const frame of frames) expect([frame.fin, frame.rsv]).toEqual([true, 0]);
    const answers = frames.filter((frame) => this.#isAnswer(frame)).map(({ payload }) => payload.toString());
    const order = this.#answers.map(String).filter((answer) => answers.includes(answer));
    expect(answers).toEqual(order);
    const own = frames.filter((frame) => !this.#isAnswer(frame));
    let next = 0;
    for (const { opcode, payload, required } of this.#controls) {
      const came = own[next]?.opcode === opcode && own[next]!.payload.equals(payload);
      if (came) next++;
      else if (required && !this.terminated) expect(own[next], `after ${next}`).toEqual({ opcode, payload });
    }
    expect(own.slice(next)).toEqual([]);
    // While nothing leaves, only the latest Ping is answered (section 5.5.3).
    if (!this.terminated) expect(answers.at(-1)).toBe(this.#answers.at(-1)?.toString());
  }
}

/** The messages that came whole, and what came of one that did not. */
function messagesOf(frames: readonly ReadFrame[]): { whole: { text: boolean; payload: Buffer }[]; rest: Buffer } {
  const whole: { text: boolean; payload: Buffer }[] = [];
  let parts: ReadFrame[] = [];
  for (const frame of frames) {
    expect(frame.opcode === 0).toBe(parts.length > 0);
    parts.push(frame);
    if (!frame.fin) continue;
    const joined = Buffer.concat(parts.map(({ payload }) => payload));
    const payload =
      parts[0]!.rsv === 4
        ? inflateRawSync(Buffer.concat([joined, Buffer.of(0, 0, 0xff, 0xff)]), { finishFlush: 2 })
        : joined;
    whole.push({ text: parts[0]!.opcode === 1, payload });
    parts = [];
  }
  return { whole, rest: Buffer.concat(parts.map(({ payload }) => payload)) };
}
