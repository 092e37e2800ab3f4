/**
 * What a fuzz target is: a parser, the property that must hold for every input, and words that its inputs are made of.
 *
 * A target is deterministic: the same input gives the same outcome, so that a failure can be repeated and made smaller.
 */

/** One parser under attack. */
export interface Target {
  /** As `--target` names it, and its corpus's file. */
  readonly name: string;
  /** The longest input in bytes. */
  readonly maxLength: number;
  /** Pieces to put into inputs, in the corpus's notation. */
  readonly dictionary: readonly string[];
  /**
   * Tries one input, whose memory is used again, and throws when the property does not hold. What it returns names the
   * kind of outcome: an input with a new outcome is kept to be changed further.
   */
  readonly run: (input: Uint8Array) => Outcome | Promise<Outcome>;
}

/** Names a kind of outcome; the fewer hundred there are, the better they guide. */
export type Outcome = number | string;

/** Throws unless the property holds. */
export function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

/** The input as text, one character a byte, as `node:http` gives header fields. */
export function latin1(input: Uint8Array): string {
  return Buffer.from(input.buffer, input.byteOffset, input.length).toString("latin1");
}
