/**
 * Runs one target: draws an input that is known, changes it, tries it, and keeps it when its outcome is new.
 *
 * Guided by outcomes instead of by coverage: the targets say what kind of thing happened, so that an input that gets
 * further is built upon. Equal seeds try equal inputs in an equal order.
 */
import { Mutator } from "./mutator.ts";
import { parseInput } from "./notation.ts";
import { Random } from "./random.ts";
import type { Outcome, Target } from "./target.ts";

/** An input for which the property does not hold. */
export interface Failure {
  readonly input: Uint8Array;
  readonly error: unknown;
}

/** When to stop, whichever comes first. */
export interface Budget {
  readonly runs: number;
  /** As `performance.now()` tells it. */
  readonly until: number;
}

const mostKept = 5000;
const runsBetweenLooks = 256;

/** Fuzzes one target from a seed. */
export class Fuzzer {
  readonly #target: Target;
  readonly #random: Random;
  readonly #mutator: Mutator;
  readonly #beforeRun: (input: Uint8Array) => void;
  readonly #inputs: Uint8Array[] = [];
  readonly #places = new Map<Outcome, number>();
  runs = 0;

  /** Takes the target, the seed, and what to do before each run, for a watchdog to know what runs. */
  constructor(target: Target, seed: number, beforeRun: (input: Uint8Array) => void = () => {}) {
    this.#target = target;
    this.#random = new Random(seed, target.name);
    this.#mutator = new Mutator(this.#random, target.dictionary.map(parseInput), target.maxLength);
    this.#beforeRun = beforeRun;
  }

  /** How many kinds of outcome there were. */
  get outcomes(): number {
    return this.#places.size;
  }

  /** Tries the corpus as it is, then changes of it within the budget; the first failure, if any. */
  async fuzz(corpus: readonly Uint8Array[], budget: Budget): Promise<Failure | undefined> {
    for (const input of corpus) {
      const failure = await this.#try(input);
      if (failure !== undefined) return failure;
    }
    if (this.#inputs.length === 0) this.#inputs.push(new Uint8Array(0));
    while (this.runs < budget.runs) {
      if (this.runs % runsBetweenLooks === 0 && performance.now() >= budget.until) break;
      const tried = this.#try(this.#mutator.mutate(this.#draw(), this.#draw()));
      const failure = tried instanceof Promise ? await tried : tried;
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  /** Half of the time one of the newest, which the others led to. */
  #draw(): Uint8Array {
    const { length } = this.#inputs;
    const among = this.#random.below(2) === 0 ? length : Math.min(length, 32);
    return this.#inputs[length - 1 - this.#random.below(among)]!;
  }

  #try(input: Uint8Array): undefined | Failure | Promise<undefined | Failure> {
    this.runs++;
    this.#beforeRun(input);
    try {
      const outcome = this.#target.run(input);
      if (!(outcome instanceof Promise)) return this.#keep(outcome, input);
      const copy = new Uint8Array(input);
      return outcome.then(
        (settled) => this.#keep(settled, copy),
        (error: unknown) => ({ input: copy, error }),
      );
    } catch (error) {
      return { input: new Uint8Array(input), error };
    }
  }

  /** Remembers the shortest input of each outcome. */
  #keep(outcome: Outcome, input: Uint8Array): undefined {
    const place = this.#places.get(outcome);
    if (place === undefined) {
      if (this.#inputs.length >= mostKept) return;
      this.#places.set(outcome, this.#inputs.length);
      this.#inputs.push(new Uint8Array(input));
    } else if (input.length < this.#inputs[place]!.length) {
      this.#inputs[place] = new Uint8Array(input);
    }
  }
}

/** The smallest input found that still fails: parts are taken out, then bytes made zero, until nothing more can go. */
export async function minimise(target: Target, failure: Failure): Promise<Failure> {
  let best = failure;
  const fails = async (input: Uint8Array): Promise<boolean> => {
    try {
      await target.run(input);
      return false;
    } catch (error) {
      best = { input, error };
      return true;
    }
  };
  for (let size = best.input.length; size >= 1; size = size >> 1) {
    for (let at = 0; at < best.input.length; ) {
      const { input } = best;
      const without = Buffer.concat([input.subarray(0, at), input.subarray(at + size)]);
      if (!(await fails(without))) at += size;
    }
  }
  for (let at = 0; at < best.input.length; at++) {
    if (best.input[at] === 0) continue;
    const changed = Uint8Array.from(best.input);
    changed[at] = 0;
    await fails(changed);
  }
  return best;
}
