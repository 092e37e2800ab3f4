/**
 * The control connection of the comparisons: one question, one answer, in order. What was asked and not answered when it is
 * lost is not asked again: the run is gone with the connection. It also finds how far the server's clock
 * is from the page's, so that a latency is the time between two moments of one clock.
 */

import { ReconnectingWebSocket } from "openline/browser";
import type { CompareAnswer, CompareQuestion, Figures } from "../../server/messages.ts";
import { socketUrl } from "../parts/format.ts";
import { COME_BACK } from "../parts/standing.tsx";

const CLOCK_TRIES = 15;

/** The server's clock minus the page's, and the round trip it was measured with: the error is at most half of that. */
export interface ClockOffset {
  readonly offset: number;
  readonly roundTrip: number;
}

interface Asked {
  readonly resolve: (answer: CompareAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** The control connection was lost, and with it the run. */
export class LostError extends Error {
  override readonly name = "LostError";

  constructor() {
    super("The connection to the server was lost");
  }
}

/** Asks the server to start and stop runs, and for their figures. */
export class Control {
  readonly socket: ReconnectingWebSocket;
  readonly #asked: Asked[] = [];

  constructor() {
    this.socket = new ReconnectingWebSocket(socketUrl("/compare"), [], { reconnect: COME_BACK, queue: false });
    this.socket.onmessage = ({ data }) => this.#asked.shift()?.resolve(JSON.parse(data) as CompareAnswer);
    this.socket.onclose = () => {
      for (const { reject } of this.#asked.splice(0)) reject(new LostError());
    };
  }

  async start(rate: number, seconds: number): Promise<{ run: string; total: number }> {
    const answer = await this.#ask({ do: "start", rate, seconds });
    if (answer.is !== "started") throw unexpected(answer);
    return answer;
  }

  figures(): Promise<Figures> {
    return this.#figures("figures");
  }

  /** The last figures; the run is over then. */
  stop(): Promise<Figures> {
    return this.#figures("stop");
  }

  /** Of several round trips the shortest says most: the server's answer was made about half-way through it. */
  async clock(): Promise<ClockOffset> {
    let best: ClockOffset | undefined;
    for (let tries = 0; tries < CLOCK_TRIES; tries += 1) {
      const before = pageTime();
      const answer = await this.#ask({ do: "clock" });
      const after = pageTime();
      if (answer.is !== "clock") throw unexpected(answer);
      const roundTrip = after - before;
      if (best === undefined || roundTrip < best.roundTrip) {
        best = { offset: answer.at - (before + after) / 2, roundTrip };
      }
    }
    return best ?? { offset: 0, roundTrip: 0 };
  }

  async #figures(question: "figures" | "stop"): Promise<Figures> {
    const answer = await this.#ask({ do: question });
    if (answer.is !== "figures") throw unexpected(answer);
    return answer.figures;
  }

  #ask(question: CompareQuestion): Promise<CompareAnswer> {
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.reject(new LostError());
    this.socket.send(JSON.stringify(question));
    return new Promise((resolve, reject) => this.#asked.push({ resolve, reject }));
  }
}

/** The page's time in milliseconds since the epoch, as fine as the browser lets it be. */
export function pageTime(): number {
  return performance.timeOrigin + performance.now();
}

function unexpected(answer: CompareAnswer): Error {
  return new Error(answer.is === "refused" ? answer.why : `Unexpected answer: ${answer.is}`);
}
