/**
 * Watches one WebSocket from outside: its four events, its calls to send(), its readyState and bufferedAmount, as they
 * happen. The socket is the article's own `ws`, made by the article's own code; nothing here changes what it does.
 */
import { bytes, milliseconds, socketUrl } from "./format.ts";

/** What a line of the timeline is: an event of the socket, a call on it, or the example's `alert`. */
export type EntryKind = "open" | "message" | "error" | "close" | "call" | "alert";

/** One line of the timeline; `at` in milliseconds since the run began. */
export interface Entry {
  readonly id: number;
  readonly at: number;
  readonly kind: EntryKind;
  readonly text: string;
  readonly note: string;
}

interface Sent {
  readonly at: number;
  readonly data: string | Blob;
}

const ENTRIES_KEPT = 200;

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
  #left = false;

  /** `changed` is called whenever there is something new to show. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /**
   * Runs the article's script as served; its `alert` writes a line here instead of stopping the page. While the script
   * runs, `new WebSocket` also reports what it made, so that this listens first and the timeline has the true order.
   */
  runArticle(): void {
    window.alert = (message?: unknown) => this.#add("alert", String(message));
    this.#begin();
    const native = window.WebSocket;
    window.WebSocket = new Proxy(native, {
      construct: (target, [url, protocols]: [string, string?]) => {
        const socket = new target(url, protocols);
        this.#watch(socket);
        return socket;
      },
    });
    const script = document.createElement("script");
    script.src = `/article.js?run=${Date.now()}`;
    const done = (): void => {
      window.WebSocket = native;
      script.remove();
      if (this.#left) this.#socket?.close();
    };
    script.onload = done;
    script.onerror = () => {
      done();
      this.#add("error", "The example could not be loaded", "is the server still running?");
    };
    document.head.append(script);
  }

  /** Connects to a path where nothing listens, to show what an error looks like. */
  runRefused(): void {
    this.#begin();
    this.#watch(new WebSocket(socketUrl("/nobody-is-here")));
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

  #begin(): void {
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
    socket.addEventListener("open", () => this.#add("open", "", extensions(socket)));
    socket.addEventListener("message", (event: MessageEvent<string | Blob>) => this.#receive(event.data));
    socket.addEventListener("error", () => this.#add("error", "", "the browser does not say why"));
    socket.addEventListener("close", (event) => {
      const reason = event.reason === "" ? "" : `, “${event.reason}”`;
      this.#add("close", `${event.code}${reason}`, event.wasClean ? "clean" : "not clean");
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

  #add(kind: EntryKind, text: string, note = ""): number {
    this.#ids += 1;
    const entry: Entry = { id: this.#ids, at: performance.now() - this.#began, kind, text, note };
    this.entries = [...this.entries, entry].slice(-ENTRIES_KEPT);
    this.#changed();
    return entry.id;
  }

  #annotate(id: number, note: string): void {
    this.entries = this.entries.map((one) => (one.id === id ? { ...one, note: `${one.note}, ${note}` } : one));
    this.#changed();
  }
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
