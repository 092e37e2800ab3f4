/**
 * Calls between the primary and one of its workers, in both directions: each has an answer, or fails.
 */

import type { Transferable } from "node:worker_threads";

/** What carries messages between the two, in order. */
export interface Channel {
  post(message: object, transfer: readonly Transferable[]): void;
  /** `lost` is called when nothing comes any more. */
  listen(heard: (message: unknown) => void, lost: () => void): void;
  /** Whether it is to keep this side alive. Default no. */
  hold(isHeld: boolean): void;
}

/** Functions that one side calls and the other one has, each with one parameter. */
export type Calls<Names extends string> = { readonly [Name in Names]: (body: never) => unknown };

/** The answers of one side. */
export type Answers<Own> = {
  readonly [Name in keyof Own]: Own[Name] extends (body: infer Body) => infer Answer
    ? (body: Body) => Answer | Promise<Answer>
    : never;
};

type BodyOf<Call> = Call extends (body: infer Body) => unknown ? Body : never;
type AnswerOf<Call> = Call extends (body: never) => infer Answer ? Answer : never;

/** Marks our messages among those of the application. */
const mark = "openline/workers";

interface Asked {
  readonly [mark]: "call";
  readonly number: number;
  readonly name: string;
  readonly body: unknown;
}

interface Answered {
  readonly [mark]: "answer";
  readonly number: number;
  readonly body?: unknown;
  readonly error?: { readonly message: string; readonly code?: string | undefined };
}

interface Waiting {
  resolve(body: unknown): void;
  reject(error: Error): void;
}

/** See the head of this file. `Theirs` are the functions of the other side, `Own` those of this one. */
export class Control<Theirs, Own> {
  readonly #channel: Channel;
  readonly #answers: Answers<Own>;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #isLost = false;
  #stays = false;

  constructor(channel: Channel, answers: Answers<Own>) {
    this.#channel = channel;
    this.#answers = answers;
    channel.listen(
      (message) => this.#heard(message),
      () => this.lost(),
    );
  }

  /** Calls a function of the other side. Rejects with its error, and when the other side is gone. */
  ask<Name extends keyof Theirs & string>(
    name: Name,
    body: BodyOf<Theirs[Name]>,
    transfer: readonly Transferable[] = [],
  ): Promise<AnswerOf<Theirs[Name]>> {
    if (this.#isLost) return Promise.reject(gone());
    const number = ++this.#asked;
    if (this.#waiting.size === 0) this.#channel.hold(true);
    this.#channel.post({ [mark]: "call", number, name, body } satisfies Asked, transfer);
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as Waiting["resolve"], reject });
    });
  }

  /** From now on this side is alive as long as the other one is, so that its last answer arrives. */
  stay(): void {
    this.#stays = true;
    this.#channel.hold(true);
  }

  /** The other side is gone: what waits fails. */
  lost(): void {
    this.#isLost = true;
    for (const { reject } of this.#waiting.values()) reject(gone());
    this.#waiting.clear();
  }

  #heard(message: unknown): void {
    const { [mark]: kind } = Object(message) as Partial<Asked | Answered>;
    if (kind === "call") void this.#answer(message as Asked);
    else if (kind === "answer") this.#answered(message as Answered);
  }

  async #answer({ number, name, body }: Asked): Promise<void> {
    const call = this.#answers[name as keyof Own] as (body: unknown) => unknown;
    let answer: Answered;
    // An answer that came before this call is heard of first.
    await undefined;
    try {
      answer = { [mark]: "answer", number, body: await call(body) };
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      answer = { [mark]: "answer", number, error: { message, code } };
    }
    if (!this.#isLost) this.#channel.post(answer, []);
  }

  #answered({ number, body, error }: Answered): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (this.#waiting.size === 0 && !this.#stays) this.#channel.hold(false);
    if (error === undefined) waiting?.resolve(body);
    else waiting?.reject(Object.assign(new Error(error.message), error.code !== undefined && { code: error.code }));
  }
}

function gone(): Error {
  return new Error("The other side is gone");
}
