/**
 * The clients of the drain view, and when each was sent away and came back, in seconds since the drain began.
 */
import { ReconnectingWebSocket } from "openline/browser";
import type { DrainMessage } from "../../server/messages.ts";
import { CLIENTS } from "../../server/messages.ts";
import { socketUrl } from "../parts/format.ts";
import { COME_BACK } from "../parts/standing.tsx";

/** One client; `generation` is that of the server it is connected to, 0 while it is connected to none. */
export interface Client {
  readonly number: number;
  readonly generation: number;
  readonly left: number | undefined;
  readonly back: number | undefined;
  /** The close code with which it was sent away. */
  readonly code: number;
  /** Attempts since it was sent away. */
  readonly tries: number;
}

/** All clients of one page. */
export class Clients {
  clients: readonly Client[] = [];
  /** The number of the server that serves, or drains. */
  generation = 0;
  phase: "connecting" | "serving" | "draining" = "connecting";
  readonly #changed: () => void;
  readonly #sockets: ReconnectingWebSocket[] = [];
  #path = "";
  #began = performance.now();

  /** `changed` is called whenever there is something new to show. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Whether all are connected, so that a drain has something to show. */
  get ready(): boolean {
    const { clients, generation } = this;
    return this.phase === "serving" && clients.every((client) => client.generation === generation);
  }

  /** Seconds since the drain began. */
  elapsed(): number {
    return (performance.now() - this.#began) / 1000;
  }

  /** The server has said something. */
  take(message: DrainMessage): void {
    if (message.is === "draining") {
      this.phase = "draining";
      this.#begin();
    } else {
      this.phase = "serving";
      this.generation = message.generation;
      this.#moveTo(message.path);
    }
    this.#changed();
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  /** After a restart of the whole demo the path is another: the clients try there at once. */
  #moveTo(path: string): void {
    if (path === this.#path) return;
    this.#path = path;
    if (this.#sockets.length > 0) {
      for (const socket of this.#sockets) socket.reconnect();
      return;
    }
    for (let number = 1; number <= CLIENTS; number += 1) {
      this.clients = [...this.clients, newClient(number)];
      this.#sockets.push(this.#connect(number));
    }
  }

  /** One client: what it does about being sent away is in the class, not here. */
  #connect(number: number): ReconnectingWebSocket {
    const url = () => socketUrl(`${this.#path}/${number}`);
    const socket = new ReconnectingWebSocket(url, [], { reconnect: COME_BACK });
    socket.onmessage = ({ data }) => this.#arrived(number, Number(data));
    socket.onclose = ({ code }) => this.#left(number, code);
    socket.onerror = () => this.#failed(number);
    return socket;
  }

  #arrived(number: number, generation: number): void {
    this.#set(number, ({ left, tries }) => ({
      generation,
      ...(left === undefined ? {} : { back: this.elapsed(), tries: tries + 1 }),
    }));
  }

  #begin(): void {
    this.#began = performance.now();
    this.clients = this.clients.map((client) => ({ ...client, left: undefined, back: undefined, tries: 0 }));
  }

  #left(number: number, code: number): void {
    // The first of a loss for which there was no button, such as the end of the whole demo.
    if (this.phase !== "draining" && this.ready) this.#begin();
    this.#set(number, () => ({ generation: 0, left: this.elapsed(), back: undefined, code, tries: 0 }));
  }

  #failed(number: number): void {
    this.#set(number, ({ tries }) => ({ tries: tries + 1 }));
  }

  #set(number: number, change: (client: Client) => Partial<Client>): void {
    this.clients = this.clients.map((one) => (one.number === number ? { ...one, ...change(one) } : one));
    this.#changed();
  }
}

function newClient(number: number): Client {
  return { number, generation: 0, left: undefined, back: undefined, code: 0, tries: 0 };
}
