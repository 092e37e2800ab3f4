/**
 * Accepted peers that have sent nothing yet. Each that stays silent is due once, after a second at most.
 */

/** A silent peer is due after this time at the earliest, and after twice this time at the latest, in milliseconds. */
const sweepInterval = 500;

/** See the head of this file. */
export class SilentPeers<Peer> {
  readonly #interval: number;
  readonly #due: (peer: Peer) => void;
  /** Runs while peers are silent. */
  #timer: NodeJS.Timeout | undefined;
  /** The peers accepted since the last sweep. */
  #young = new Set<Peer>();
  /** The peers that were silent at the last sweep; at the next one they are due. */
  #old = new Set<Peer>();

  /** Calls `due` with each peer that is still here then; `longest` is the longest that it may take, in milliseconds. */
  constructor(longest: number, due: (peer: Peer) => void) {
    this.#interval = Math.min(sweepInterval, longest);
    this.#due = due;
  }

  add(peer: Peer): void {
    this.#young.add(peer);
    this.#timer ??= setInterval(() => this.#sweep(), this.#interval).unref();
  }

  delete(peer: Peer): void {
    if (!this.#young.delete(peer)) this.#old.delete(peer);
  }

  /** All of them; none is here any more then. */
  takeAll(): readonly Peer[] {
    const all = [...this.#old, ...this.#young];
    this.#old.clear();
    this.#young.clear();
    this.#stop();
    return all;
  }

  #sweep(): void {
    const due = this.#old;
    this.#old = this.#young;
    this.#young = new Set();
    for (const peer of due) this.#due(peer);
    if (this.#old.size === 0 && this.#young.size === 0) this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
