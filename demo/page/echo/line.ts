/**
 * Watches one WebSocket from outside: its four events, its calls to send(), its readyState and bufferedAmount, as they
 * happen. The socket is the article's own `ws`, made by the article's own code; nothing here changes what it does.
 */
import { ReconnectingWebSocket } from "openline/browser";
import { bytes, milliseconds, socketUrl } from "../parts/format.ts";
import { COME_BACK } from "../parts/standing.tsx";

/** What a line of the timeline is: an event of the socket, a call on it, or the example's `alert`. */
export type EntryKind = "open" | "message" | "error" | "close" | "call" | "alert";

/** One line of the timeline; `at` in milliseconds since the run began. */
export interface Entry {
  readonly id: number;
  readonly at: number;
  readonly kind: EntryKind;
  readonly text: string;
  readonly note: string;
  /** Whether something went wrong: an error, or an end without a closing handshake. */
  readonly bad: boolean;
}

/** Which class the name `WebSocket` stands for in the example: openline's, which comes back, or the browser's own. */
export type SocketKind = "openline" | "browser";

interface Sent {
  readonly at: number;
  readonly data: string | Blob;
}

const ENTRIES_KEPT = 200;

/** The browser's own class: the name is another's while an example is loaded. */
const NATIVE = window.WebSocket;

/** One run after another of a WebSocket, with everything that was seen. */
export class Line {
  entries: readonly Entry[] = [];
  readyState: number | undefined;
  bufferedAmount = 0;
  roundTrip: number | undefined;
  readonly #changed: () => void;
  #socket: WebSocket | undefined;
  #began = performance.now();
  #ids = 0;
  #sent: Sent[] = [];
  #frame = 0;
  #turn: Promise<void> = Promise.resolve();
  #left = false;

  /** `changed` is called whenever there is something new to show. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /**
   * Runs the script at `path` as served; its `alert` writes a line here instead of stopping the page. A run that is open is
   * left. Runs wait for one another, since each takes the name `WebSocket` while its script is loaded.
   */
  runArticle(path: string, kind: SocketKind): void {
    this.#turn = this.#turn.then(() => this.#run(path, kind));
  }

  /** Connects to a path where nothing listens, to show what an error looks like. */
  runRefused(): void {
    this.#begin();
    this.#watch(new NATIVE(socketUrl("/nobody-is-here")));
  }

  send(data: string | Blob): void {
    this.#socket?.send(data);
  }

  close(): void {
    this.#add("call", "ws.close()");
    this.#socket?.close();
    this.#look();
  }

  /** Leaves the socket for good; nothing more is shown. */
  leave(): void {
    this.#left = true;
    cancelAnimationFrame(this.#frame);
    this.#socket?.close();
  }

  /** While the script runs, `new WebSocket` also reports what it made: this listens first, so the order is true. */
  #run(path: string, kind: SocketKind): Promise<void> {
    if (this.#left) return Promise.resolve();
    window.alert = (message?: unknown) => this.#add("alert", String(message));
    this.#begin();
    window.WebSocket = new Proxy(NATIVE, {
      construct: (_, [url, protocols]: [string, string?]) => {
        const socket = makeSocket(kind, url, protocols);
        this.#watch(socket);
        return socket;
      },
    });
    const script = document.createElement("script");
    script.src = `${path}?run=${Date.now()}`;
    return new Promise((resolve) => {
      const done = (): void => {
        window.WebSocket = NATIVE;
        script.remove();
        if (this.#left) this.#socket?.close();
        resolve();
      };
      script.onload = done;
      script.onerror = () => {
        this.#add("error", "The example could not be loaded", "is the server still running?", true);
        done();
      };
      document.head.append(script);
    });
  }

  #begin(): void {
    const former = this.#socket;
    this.#socket = undefined;
    if (former !== undefined) {
      former.onopen = former.onmessage = former.onerror = former.onclose = null;
      former.close();
    }
    this.entries = [];
    this.#sent = [];
    this.roundTrip = undefined;
    this.#began = performance.now();
    this.#changed();
  }

  /** Called as the socket is made, before anyone else can listen. */
  #watch(socket: WebSocket): void {
    this.#socket = socket;
    this.#add("call", "new WebSocket()", socket.url);
    const send = socket.send.bind(socket);
    socket.send = (data) => {
      this.#sent.push({ at: performance.now(), data: typeof data === "string" || data instanceof Blob ? data : "" });
      send(data);
      const size = data instanceof Blob ? data.size : new TextEncoder().encode(String(data)).length;
      const what = data instanceof Blob ? `${bytes(size)}, binary` : quote(String(data));
      this.#add("call", `ws.send(${what})`, `bufferedAmount ${socket.bufferedAmount}`);
      this.#look();
    };
    this.#listen(socket);
    this.#look();
    this.#follow();
  }

  #listen(socket: WebSocket): void {
    const on: WebSocket["addEventListener"] = (type: string, listener: EventListener) =>
      socket.addEventListener(type, (event) => {
        if (socket === this.#socket) listener(event);
      });
    on("open", () => this.#add("open", "", extensions(socket)));
    on("message", (event) => this.#receive(event.data));
    on("error", () => this.#add("error", "", `the browser does not say why${nextTry(socket)}`, true));
    on("close", ({ code, reason, wasClean }) => {
      this.#sent = [];
      const said = reason === "" ? "" : `, “${reason}”`;
      this.#add("close", `${code}${said}`, `${wasClean ? "clean" : "not clean"}${nextTry(socket)}`, !wasClean);
      this.#look();
    });
  }

  #receive(data: string | Blob): void {
    const now = performance.now();
    const sent = this.#sent.shift();
    this.roundTrip = sent === undefined ? undefined : now - sent.at;
    const time = `round trip ${milliseconds(this.roundTrip)}`;
    if (typeof data === "string") {
      this.#add("message", quote(data), time);
      return;
    }
    const id = this.#add("message", `${bytes(data.size)}, binary`, time);
    if (sent?.data instanceof Blob) {
      void same(sent.data, data).then((equal) => this.#annotate(id, equal ? "same bytes" : "DIFFERENT BYTES"));
    }
  }

  /** readyState and bufferedAmount have no events of their own: they are read once a frame, and after each call. */
  #follow(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      this.#look();
      if (this.readyState !== WebSocket.CLOSED) this.#follow();
    });
  }

  #look(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (socket.readyState === this.readyState && socket.bufferedAmount === this.bufferedAmount) return;
    this.readyState = socket.readyState;
    this.bufferedAmount = socket.bufferedAmount;
    this.#changed();
  }

  #add(kind: EntryKind, text: string, note = "", bad = false): number {
    this.#ids += 1;
    const entry: Entry = { id: this.#ids, at: performance.now() - this.#began, kind, text, note, bad };
    this.entries = [...this.entries, entry].slice(-ENTRIES_KEPT);
    this.#changed();
    return entry.id;
  }

  #annotate(id: number, note: string): void {
    this.entries = this.entries.map((one) => (one.id === id ? { ...one, note: `${one.note}, ${note}` } : one));
    this.#changed();
  }
}

/** openline's class has all members of the browser's, and takes its place. */
function makeSocket(kind: SocketKind, url: string, protocols: string | undefined): WebSocket {
  if (kind === "browser") return new NATIVE(url, protocols);
  const socket = new ReconnectingWebSocket(url, protocols, { reconnect: COME_BACK, WebSocket: NATIVE });
  return socket as unknown as WebSocket;
}

/** When a socket that comes back tries again; empty for the browser's own. */
function nextTry(socket: object): string {
  if (!(socket instanceof ReconnectingWebSocket) || socket.retryAt === 0) return "";
  return `; next try in ${Math.max(0, (socket.retryAt - Date.now()) / 1000).toFixed(1)} s`;
}

function quote(text: string): string {
  return `“${text.length > 120 ? `${text.slice(0, 120)}…` : text}”`;
}

function extensions(socket: WebSocket): string {
  return socket.extensions === "" ? "no extensions" : socket.extensions;
}

async function same(one: Blob, other: Blob): Promise<boolean> {
  if (one.size !== other.size) return false;
  const [left, right] = await Promise.all([one.arrayBuffer(), other.arrayBuffer()]);
  const [a, b] = [new Uint8Array(left), new Uint8Array(right)];
  return a.every((byte, index) => byte === b[index]);
}
