/**
 * The control connection of a comparison: one question, one answer, in order. It also finds how far the server's clock
 * is from the page's, so that a latency is the time between two moments of one clock.
 */
import type { CompareAnswer, CompareQuestion, Figures } from "../../server/messages.ts";
import { socketUrl } from "../parts/format.ts";

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

/** Asks the server to start and stop runs, and for their figures. */
export class Control {
  readonly #socket: WebSocket;
  readonly #asked: Asked[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => {
      this.#asked.shift()?.resolve(JSON.parse(event.data) as CompareAnswer);
    };
    socket.onclose = () => {
      for (const { reject } of this.#asked.splice(0)) reject(new Error("The connection to the server was lost"));
    };
  }

  /** Connects; rejects when the server cannot be reached. */
  static open(): Promise<Control> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(socketUrl("/compare"));
      socket.onopen = () => resolve(new Control(socket));
      socket.onclose = () => reject(new Error("The server cannot be reached"));
    });
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

  close(): void {
    this.#socket.close();
  }

  async #figures(question: "figures" | "stop"): Promise<Figures> {
    const answer = await this.#ask({ do: question });
    if (answer.is !== "figures") throw unexpected(answer);
    return answer.figures;
  }

  #ask(question: CompareQuestion): Promise<CompareAnswer> {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("The connection to the server was lost"));
    }
    this.#socket.send(JSON.stringify(question));
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
