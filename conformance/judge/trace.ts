/**
 * The byte trace of one case: a line for each frame, head and event, in both directions.
 *
 * Lines carry no clock and no randomness of the judge's own, so that the same exchange gives the same lines.
 */
import { type Frame, type FrameSpec, opName } from "../wire/frame.ts";

const MAX_LINES = 160;
const MAX_BYTES = 24;

/** `>` is from the judge to the peer, `<` from the peer, `·` a remark. */
export type Direction = ">" | "<" | "·";

/** Collects lines; beyond its limit it only counts. */
export class Trace {
  readonly #lines: string[] = [];
  #left = 0;

  /** Adds a line. */
  add(direction: Direction, text: string): void {
    if (this.#lines.length < MAX_LINES || direction === "·") this.#lines.push(`${direction} ${text}`);
    else this.#left++;
  }

  /** Whether further frames are only counted. */
  get full(): boolean {
    return this.#lines.length >= MAX_LINES;
  }

  /** The lines, with a remark on those that were left out. */
  lines(): string[] {
    return this.#left === 0 ? [...this.#lines] : [...this.#lines, `· ${this.#left} further lines are left out`];
  }
}

/** `81 05 48 65 …`, at most 24 bytes. */
export function hex(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, MAX_BYTES))
    .toString("hex")
    .replace(/..(?=.)/g, "$& ");
  return bytes.length > MAX_BYTES ? `${shown} … (${bytes.length} bytes)` : shown;
}

/** What a frame that is sent says, with its header and the start of its payload before masking. */
export function sentLine(spec: FrameSpec, payload: Uint8Array, header: Uint8Array): string {
  return frameLine(spec.fin ?? true, spec.rsv ?? 0, spec.opcode, header, payload);
}

/** What a frame that was received says. */
export function receivedLine({ fin, rsv, opcode, header, payload }: Frame): string {
  return frameLine(fin, rsv, opcode, header, payload);
}

function frameLine(fin: boolean, rsv: number, opcode: number, header: Uint8Array, payload: Uint8Array): string {
  const flags = [fin ? "fin" : "", rsv & 4 ? "rsv1" : "", rsv & 2 ? "rsv2" : "", rsv & 1 ? "rsv3" : ""];
  const what = [opName(opcode), ...flags.filter(Boolean)].join(" ");
  return `${what} · ${Buffer.from(header).toString("hex")} | ${hex(payload)}`.trimEnd();
}
