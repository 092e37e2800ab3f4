/**
 * The clients that a Redis broker is made of, each in its own words: `redis` (node-redis), and `ioredis` or `iovalkey`.
 *
 * The application's client is only a template: what is used are duplicates of it, which queue nothing while the server is
 * away and send nothing twice.
 */

import { Buffer } from "node:buffer";

/** What a command is made of. */
export type Argument = string | Buffer;

/** What a connection tells. */
export interface ConnectionEvents {
  ready(): void;
  /** What is under way is lost; the client goes on trying by itself. */
  lost(): void;
  message(channel: string, data: Buffer): void;
  error(error: Error): void;
}

/** One connection to a server. */
export interface RedisConnection {
  /** Begins to connect, and goes on until it is destroyed. */
  open(): void;
  /** Strings of the answer come as bytes. A call whose connection is lost may never settle. */
  send(command: readonly Argument[]): Promise<unknown>;
  /** Resolves when the server has acknowledged; `isSharded` for channels of a Redis Cluster, which are at one node each. */
  subscribe(channels: readonly string[], isSharded: boolean): Promise<unknown>;
  unsubscribe(channels: readonly string[], isSharded: boolean): Promise<unknown>;
  destroy(): void;
}

/** Where a server is. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A client of `redis`, as far as it is used here. */
export interface NodeRedisClient {
  duplicate(options?: object): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: clients of other types take other arguments
  sendCommand(...given: any[]): Promise<unknown>;
}

/** A client of `ioredis` or `iovalkey`, as far as it is used here. */
export interface IoredisClient {
  duplicate(options?: object): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: clients of other types take other arguments
  call(...given: any[]): Promise<unknown>;
}

/** A client of the application. */
export type RedisClient = NodeRedisClient | IoredisClient;

/** Makes connections like the client's, or to another address. Throws a TypeError for what is no client. */
export function connectionsLike(client: RedisClient, address?: Address): (events: ConnectionEvents) => RedisConnection {
  const { duplicate, call, sendCommand } = Object(client) as Partial<IoredisClient & NodeRedisClient>;
  if (typeof duplicate === "function" && typeof call === "function") {
    return (events) => new IoredisConnection(client, events, address);
  }
  if (typeof duplicate === "function" && typeof sendCommand === "function") {
    return (events) => new NodeRedisConnection(client, events, address);
  }
  throw new TypeError(
    "Cannot use Redis: the client must be one of redis, ioredis or iovalkey, for one server; for a cluster say cluster: true",
  );
}

type Listener = (...given: never[]) => void;

interface NodeRedis {
  readonly isReady: boolean;
  on(event: string, listener: Listener): this;
  connect(): Promise<unknown>;
  destroy(): void;
  sendCommand(command: readonly Argument[], options: object): Promise<unknown>;
  subscribe(channels: string[], listener: Listener, asBuffers: true): Promise<void>;
  unsubscribe(channels: string[], listener: Listener, asBuffers: true): Promise<void>;
  sSubscribe(channel: string, listener: Listener, asBuffers: true): Promise<void>;
  sUnsubscribe(channel: string, listener: Listener, asBuffers: true): Promise<void>;
}

/** The type of an answer that is a string, in the protocol of Redis. */
const blobString = 36;

class NodeRedisConnection implements RedisConnection {
  readonly #client: NodeRedis;
  readonly #events: ConnectionEvents;
  readonly #take = (data: Buffer, channel: Buffer | string): void => {
    this.#events.message(channel.toString(), data);
  };

  constructor(template: RedisClient, events: ConnectionEvents, address: Address | undefined) {
    const { socket } = (template as { options?: { socket?: object } }).options ?? {};
    const elsewhere = address && { url: undefined, socket: { ...socket, ...address } };
    const client = template.duplicate({ disableOfflineQueue: true, ...elsewhere }) as NodeRedis;
    this.#client = client;
    this.#events = events;
    const look = () => client.isReady || events.lost();
    client
      .on("ready", () => events.ready())
      .on("reconnecting", look)
      .on("end", look)
      .on("error", (error: Error) => {
        look();
        events.error(error);
      });
  }

  open(): void {
    // What goes wrong is an event, too.
    this.#client.connect().catch(() => {});
  }

  send(command: readonly Argument[]): Promise<unknown> {
    return this.#client.sendCommand(command, { typeMapping: { [blobString]: Buffer } });
  }

  subscribe(channels: readonly string[], isSharded: boolean): Promise<unknown> {
    if (!isSharded) return this.#client.subscribe([...channels], this.#take as Listener, true);
    return eachAlone(channels, (channel) => this.#client.sSubscribe(channel, this.#take as Listener, true));
  }

  unsubscribe(channels: readonly string[], isSharded: boolean): Promise<unknown> {
    if (!isSharded) return this.#client.unsubscribe([...channels], this.#take as Listener, true);
    return eachAlone(channels, (channel) => this.#client.sUnsubscribe(channel, this.#take as Listener, true));
  }

  destroy(): void {
    try {
      this.#client.destroy();
    } catch {
      // It had no socket.
    }
  }
}

interface Ioredis {
  on(event: string, listener: Listener): this;
  connect(): Promise<unknown>;
  disconnect(reconnect?: boolean): void;
  callBuffer(command: string, ...given: Argument[]): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  ssubscribe(channel: string): Promise<unknown>;
  sunsubscribe(channel: string): Promise<unknown>;
}

class IoredisConnection implements RedisConnection {
  readonly #client: Ioredis;

  constructor(template: RedisClient, events: ConnectionEvents, address: Address | undefined) {
    const take = (channel: Buffer, data: Buffer) => events.message(channel.toString(), data);
    this.#client = template.duplicate({
      ...address,
      lazyConnect: true,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      maxRetriesPerRequest: null,
    }) as Ioredis;
    this.#client
      .on("ready", () => events.ready())
      .on("close", () => events.lost())
      .on("end", () => events.lost())
      .on("error", (error: Error) => events.error(error))
      .on("messageBuffer", take)
      .on("smessageBuffer", take);
  }

  open(): void {
    this.#client.connect().catch(() => {});
  }

  send([command, ...given]: readonly Argument[]): Promise<unknown> {
    return this.#client.callBuffer(String(command), ...given);
  }

  subscribe(channels: readonly string[], isSharded: boolean): Promise<unknown> {
    if (!isSharded) return this.#client.subscribe(...channels);
    return eachAlone(channels, (channel) => this.#client.ssubscribe(channel));
  }

  unsubscribe(channels: readonly string[], isSharded: boolean): Promise<unknown> {
    if (!isSharded) return this.#client.unsubscribe(...channels);
    return eachAlone(channels, (channel) => this.#client.sunsubscribe(channel));
  }

  destroy(): void {
    this.#client.disconnect();
  }
}

/** Channels of several slots go in no command together. */
function eachAlone(channels: readonly string[], call: (channel: string) => Promise<unknown>): Promise<unknown> {
  return Promise.all(channels.map(call));
}
