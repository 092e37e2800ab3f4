/**
 * Many clients in a process of their own, bytes over sockets without the code under test: each sends numbered messages,
 * checks that what comes is numbered without a gap, and answers a Close. When all are gone, it reports to its parent.
 *
 * Arguments: the port, how many clients at most, and the milliseconds between two messages of one client. A machine that
 * takes long to open that many gets no more than it has opened in three seconds.
 */
import { connect, type Socket } from "node:net";
import { requestText } from "./raw-peer.ts";
import { frameFrom } from "./wire.ts";

/** What one client saw, in the order of the numbers that the server gave them. */
export interface ClientReport {
  readonly id: number;
  /** How many messages it sent before its Close. */
  readonly sent: number;
  /** The last numbers that it received, of replies and of published messages, 0 for none. */
  readonly lastReply: number;
  readonly lastNews: number;
  /** The first number of what was published: the subscription begins somewhere. */
  readonly firstNews: number;
  /** What came out of order, and what is no message of the server. */
  readonly gaps: number;
  readonly closeCode: number | undefined;
}

/** What the parent is told, besides "open" when all are connected. */
export interface ClientsReport {
  readonly clients: readonly ClientReport[];
}

class BusyClient {
  readonly done: Promise<ClientReport>;
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  readonly #report = { id: -1, sent: 0, lastReply: 0, lastNews: 0, firstNews: 0, gaps: 0, closeCode: -1 };
  #rest: Buffer = Buffer.alloc(0);
  #isOpen = false;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1", () => this.#socket.write(requestText()));
    this.#socket.setNoDelay(true);
    this.opened = new Promise((resolve) => this.#socket.on("data", (chunk) => this.#take(chunk, resolve)));
    this.done = new Promise((resolve) => {
      this.#socket.on("close", () => {
        this.#isOpen = false;
        const { closeCode } = this.#report;
        resolve({ ...this.#report, closeCode: closeCode < 0 ? undefined : closeCode });
      });
    });
    // A reset shows as a missing close code.
    this.#socket.on("error", () => {});
  }

  send(): void {
    if (!this.#isOpen) return;
    this.#report.sent++;
    this.#socket.write(frameFrom("client", { opcode: 1, payload: String(this.#report.sent) }));
  }

  #take(chunk: Buffer, opened: () => void): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    if (this.#report.id < 0 && !this.#isOpen) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      if (!bytes.toString("latin1", 0, 12).endsWith("101")) this.#report.gaps++;
      bytes = bytes.subarray(end + 4);
      this.#isOpen = true;
      opened();
    }
    // All frames of the server are shorter than 126 bytes.
    while (bytes.length >= 2 && bytes.length >= 2 + bytes[1]!) {
      this.#frame(bytes[0]! & 15, bytes.subarray(2, 2 + bytes[1]!));
      bytes = bytes.subarray(2 + bytes[1]!);
    }
    this.#rest = Buffer.from(bytes);
  }

  #frame(opcode: number, payload: Buffer): void {
    const report = this.#report;
    if (opcode === 8) {
      report.closeCode = payload.readUInt16BE(0);
      this.#isOpen = false;
      this.#socket.end(frameFrom("client", { opcode: 8, payload: payload.subarray(0, 2) }));
      return;
    }
    const text = payload.toString();
    const number = Number(text.slice(1));
    if (text[0] === "i" && report.id < 0) {
      report.id = number;
    } else if (text[0] === "r") {
      if (number !== report.lastReply + 1) report.gaps++;
      report.lastReply = number;
    } else if (text[0] === "n") {
      if (report.firstNews === 0) report.firstNews = number;
      else if (number !== report.lastNews + 1) report.gaps++;
      report.lastNews = number;
    } else {
      report.gaps++;
    }
  }
}

/** How many are opened at once: a listener's backlog is 511. */
const together = 250;

async function run(port: number, most: number, interval: number): Promise<void> {
  const clients: BusyClient[] = [];
  const startedAt = performance.now();
  while (clients.length < most && performance.now() - startedAt < 3000) {
    const next = Array.from({ length: Math.min(together, most - clients.length) }, () => new BusyClient(port));
    clients.push(...next);
    await Promise.all(next.map(({ opened }) => opened));
  }
  process.send?.("open");
  // A tenth of them at a time.
  let turn = 0;
  const timer = setInterval(() => {
    turn++;
    for (let i = turn % 10; i < clients.length; i += 10) clients[i]!.send();
  }, interval / 10);
  const report: ClientsReport = { clients: await Promise.all(clients.map(({ done }) => done)) };
  clearInterval(timer);
  process.send?.(report, () => process.disconnect());
}

const [port, most, interval] = process.argv.slice(2).map(Number);
if (process.send && port && most && interval) await run(port, most, interval);
