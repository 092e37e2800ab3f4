/**
 * A well-behaved client of the soak: sends numbered messages, and checks that each answer and each published message
 * comes once, whole and in its place.
 */
import { type Connection, connect, type MessageData } from "openline";
import { drawSize, makeMessage, type ReadMessage, readMessage, topicSeed } from "./message.ts";
import { errorsInWords, type LoadCounts } from "./orders.ts";

/** Who a client is. */
export interface ClientPlan {
  readonly port: number;
  readonly id: number;
  readonly topic: number;
}

/** How a client goes: it closes, the server closes, or its stream is cut in the middle of whatever there is. */
export type Farewell = "leave" | "dismiss" | "cut";

/**
 * How long a client waits for its handshake and for its last answers before that is an error, in milliseconds: so long
 * that no busy machine is taken for a lost message.
 */
const patience = 300_000;

/** One client. */
export class Client {
  readonly #plan: ClientPlan;
  readonly #counts: LoadCounts;
  readonly #connection: Connection;
  #sent = 0;
  #answered = 0;
  /** The number of the last message of its topic; undefined until the server has told it. */
  #topicNumber: number | undefined;
  #isLeaving = false;
  readonly #ended: Promise<void>;
  #end: () => void = () => {};

  private constructor(plan: ClientPlan, counts: LoadCounts, connection: Connection) {
    this.#plan = plan;
    this.#counts = counts;
    this.#connection = connection;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    void connection.closed.then(({ code, error, violation }) => {
      counts.open--;
      if (!this.#isLeaving) this.#fail(`closed with ${code}: ${violation ?? error?.message}`);
      this.#end();
    });
  }

  /** Opens a connection: every other compressed, every twentieth with its context kept. */
  static async open(plan: ClientPlan, counts: LoadCounts): Promise<Client> {
    const { port, id, topic } = plan;
    const way = id % 2 === 0 ? "plain" : id % 20 === 1 ? "takeover" : "deflate";
    let client: Client | undefined;
    const connection = await connect(`ws://127.0.0.1:${port}/${way}/${topic}/${id}`, {
      serialize: false,
      handshakeTimeout: patience,
      compression:
        way === "takeover" ? { serverNoContextTakeover: false, clientNoContextTakeover: false } : way === "deflate",
      // Nothing is delivered before `connect` has resolved.
      message: (_, data) => client!.#take(data),
    });
    counts.open++;
    counts.opened++;
    client = new Client(plan, counts, connection);
    return client;
  }

  /** Sends one message to be answered. */
  send(kind: "ask" | "publish" = "ask"): void {
    this.#tell(kind, kind === "ask" ? drawSize() : undefined);
  }

  /** Whether it can still be used. */
  get isOpen(): boolean {
    return !this.#isLeaving && this.#connection.readyState === 1;
  }

  /** Ends the connection; whatever is wrong with its end is counted as an error. */
  async finish(how: Farewell): Promise<void> {
    if (!this.isOpen) return;
    this.#isLeaving = true;
    if (how === "cut") {
      this.#counts.cut += this.#sent - this.#answered;
      this.#connection.terminate();
      return;
    }
    this.#tell(how);
    const timer = setTimeout(() => {
      this.#fail(`got no last word within ${patience / 1000} s, ${this.#sent - this.#answered} answers are missing`);
      this.#connection.terminate();
    }, patience);
    await this.#ended;
    clearTimeout(timer);
    if (how === "leave") this.#connection.close(1000);
    const { code, wasClean, error } = await this.#connection.closed;
    if (code !== 1000 || !wasClean) this.#fail(`left and ended with ${code}: ${error?.message}`);
  }

  #tell(kind: "ask" | "publish" | Exclude<Farewell, "cut">, size?: number): void {
    const number = ++this.#sent;
    this.#counts.sent++;
    const made = makeMessage({
      kind,
      number,
      seed: this.#plan.id,
      text: number % 2 === 0,
      ...(size === undefined ? {} : { size }),
    });
    this.#connection.send(made);
  }

  #take(data: MessageData): void {
    const own = readMessage(data, this.#plan.id);
    if (own !== undefined) return this.#takeOwn(own);
    const news = readMessage(data, topicSeed(this.#plan.topic));
    if (news?.kind !== "news") return this.#fail(`got a damaged message of ${data.length}`);
    const expected = (this.#topicNumber ?? -2) + 1;
    this.#topicNumber = news.number;
    if (news.number === expected) this.#counts.delivered++;
    else this.#fail(`got news ${news.number} in the place of ${expected}`);
  }

  #takeOwn({ kind, number, body }: ReadMessage): void {
    if (kind === "start") {
      if (this.#topicNumber !== undefined) this.#fail("was started twice");
      this.#topicNumber = Number(body.toString());
      return;
    }
    const expected = ++this.#answered;
    this.#counts.answered++;
    if (number !== expected) this.#fail(`got answer ${number} in the place of ${expected}`);
    if (kind !== "end") return;
    if (Number(body.toString()) !== this.#topicNumber) {
      this.#fail(`missed the end of its topic: it has ${this.#topicNumber} of ${body}`);
    }
    this.#end();
  }

  #fail(what: string): void {
    note(this.#counts, `Client ${this.#plan.id} ${what}`);
  }
}

/** Counts an error. */
export function note(counts: LoadCounts, what: string): void {
  counts.errors++;
  if (counts.firstErrors.length < errorsInWords) counts.firstErrors.push(what);
}
