/**
 * How clients of openline, crossws, socket.io and Centrifugo subscribe, publish, resume, and read what is published.
 */
import { type Connection, connect } from "openline";

/** What comes of a publication at a client. */
export type Delivered = (text: string) => void;

/** A client that is connected. */
export interface Client {
  /**
   * Resolves when it is subscribed to the topics; where it says what it knew, it resumes there. Gives how many of them could
   * not be, of which it was told.
   */
  subscribe(topics: readonly string[], resume?: Known): Promise<number>;
  /** Publishes to the topic `all`. */
  publish(text: string): void;
  /** Has the server send it back. */
  echo?(text: string): void;
  /** Has the server publish `k` and its name to each of so many topics. */
  publishMany(count: number): Promise<void>;
  /** What it knows to resume by. */
  readonly known: Known;
  /** Ends without a word. */
  terminate(): void;
}

/** Positions by topic, or whatever a peer resumes by. */
export type Known = unknown;

/** Connects a client of a peer. */
export type Dialect = (port: number, delivered: Delivered, resume?: Known) => Promise<Client>;

/** A connection whose answers are waited for in order. */
interface Line {
  readonly connection: Connection;
  /** The next text that is an answer. */
  answer(): Promise<string>;
}

async function open(url: string, take: (text: string, answered: (text: string) => void) => void): Promise<Line> {
  const waiting: ((text: string) => void)[] = [];
  const early: string[] = [];
  const answered = (text: string): void => {
    const next = waiting.shift();
    if (next) next(text);
    else early.push(text);
  };
  const connection = await connect(url, { message: (_, data) => take(String(data), answered) });
  const answer = (): Promise<string> => {
    const come = early.shift();
    return come === undefined ? new Promise((resolve) => void waiting.push(resolve)) : Promise.resolve(come);
  };
  return { connection, answer };
}

/** Text as it was published, and JSON for the rest. */
const plain: Dialect = async (port, delivered) => {
  const positions = new Map<string, string>();
  const { connection, answer } = await open(`ws://127.0.0.1:${port}/`, (text, answered) =>
    text.startsWith("k") ? delivered(text) : answered(text),
  );
  return {
    known: positions,
    subscribe: async (topics, resume) => {
      const known = resume as ReadonlyMap<string, string> | undefined;
      connection.send(JSON.stringify(topics.map((topic) => [topic, known?.get(topic)])));
      const answers = JSON.parse(await answer()) as readonly (readonly [position: string, recovered?: boolean])[];
      topics.forEach((topic, index) => void positions.set(topic, answers[index]?.[0] ?? ""));
      return answers.filter(([, recovered]) => recovered === false).length;
    },
    publish: (text) => void connection.send(text),
    publishMany: async (count) => {
      connection.send(`publish ${count}`);
      await answer();
    },
    terminate: () => void connection.terminate(),
  };
};

/** Engine.IO 4 and Socket.IO 5 over WebSocket. */
const socketio: Dialect = async (port, delivered, resume) => {
  const known: { pid?: string; offset?: string } = {};
  const take = (text: string, answered: (text: string) => void): void => {
    if (text === "2") return void line.connection.send("3");
    if (text.startsWith('42["m",')) {
      const [, data, offset] = JSON.parse(text.slice(2)) as [string, string, string?];
      if (offset !== undefined) known.offset = offset;
      return delivered(data);
    }
    answered(text);
  };
  const line: Line = await open(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, (text, answered) =>
    take(text, answered),
  );
  await line.answer();
  line.connection.send(resume === undefined ? "40" : `40${JSON.stringify(resume)}`);
  const { pid } = JSON.parse((await line.answer()).slice(2)) as { readonly pid?: string };
  if (pid !== undefined) known.pid = pid;
  return {
    known,
    subscribe: async (topics) => {
      // A session that is recovered is in its rooms.
      if (resume === undefined) line.connection.send(`42${JSON.stringify(["subscribe", topics])}`);
      return (await line.answer()) === '42["lost"]' ? topics.length : 0;
    },
    publish: (text) => void line.connection.send(`42${JSON.stringify(["publish", text])}`),
    echo: (text) => void line.connection.send(`42${JSON.stringify(["echo", text])}`),
    publishMany: async (count) => {
      line.connection.send(`42${JSON.stringify(["publish many", count])}`);
      await line.answer();
    },
    terminate: () => void line.connection.terminate(),
  };
};

interface Publication {
  readonly data: string;
}

interface Reply {
  readonly id?: number;
  readonly error?: unknown;
  readonly push?: { readonly pub?: Publication };
  readonly subscribe?: {
    readonly epoch?: string;
    readonly offset?: number;
    readonly recovered?: boolean;
    readonly publications?: readonly Publication[];
  };
}

/** Centrifugo's JSON protocol, several messages in a frame. */
const centrifugo: Dialect = async (port, delivered) => {
  let id = 0;
  const waiting = new Map<number, (reply: Reply) => void>();
  const positions = new Map<string, { readonly epoch: string | undefined; readonly offset: number }>();
  const line: Line = await open(`ws://127.0.0.1:${port}/connection/websocket`, (text) => {
    for (const part of text.split("\n")) {
      if (part === "{}") {
        line.connection.send("{}");
        continue;
      }
      const reply = JSON.parse(part) as Reply;
      if (reply.error) throw new Error(`Centrifugo says ${part}`);
      if (reply.push?.pub) delivered(reply.push.pub.data);
      if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
    }
  });
  const ask = (commands: readonly object[]): Promise<Reply[]> => {
    const numbered = commands.map((command) => ({ id: ++id, ...command }));
    line.connection.send(numbered.map((command) => JSON.stringify(command)).join("\n"));
    return Promise.all(
      numbered.map((command) => new Promise<Reply>((resolve) => void waiting.set(command.id, resolve))),
    );
  };
  await ask([{ connect: {} }]);
  return {
    known: positions,
    subscribe: async (topics, resume) => {
      const known = resume as typeof positions | undefined;
      const replies = await ask(
        topics.map((channel) => ({ subscribe: { channel, ...(known && { recover: true, ...known.get(channel) }) } })),
      );
      replies.forEach(({ subscribe: { epoch, offset = 0, publications = [] } = {} }, index) => {
        positions.set(topics[index]!, { epoch, offset });
        for (const { data } of publications) delivered(data);
      });
      return known ? replies.filter((reply) => !reply.subscribe?.recovered).length : 0;
    },
    publish: (text) => void line.connection.send(JSON.stringify({ id: ++id, publish: { channel: "all", data: text } })),
    publishMany: async (count) => {
      for (let at = 0; at < count; at += 100) {
        const channels = Array.from({ length: Math.min(100, count - at) }, (_, i) => `topic-${at + i}`);
        await ask(channels.map((channel) => ({ publish: { channel, data: `k${channel}` } })));
      }
    },
    terminate: () => void line.connection.terminate(),
  };
};

/** By the name that the peers have. */
export const dialects: Readonly<Record<string, Dialect>> = {
  openline: plain,
  crossws: plain,
  socketio,
  centrifugo,
};
