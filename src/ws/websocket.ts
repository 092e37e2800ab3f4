/**
 * `WebSocket` of `ws`, either side of a connection: its events, methods and words over a connection of ours.
 *
 * A client's is made with an address; a server's without, and gets its socket by `setSocket`. Exceptions of listeners are
 * nobody's but their own: they are thrown again where nothing else is on the stack.
 */

import { Buffer } from "node:buffer";
import type { ClientRequest, ClientRequestArgs } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { MessageDeflate } from "../connection/compression/message-deflate.ts";
import { ConnectionCore, type PublicConnection } from "../connection/connection-core.ts";
import type { ConnectionSettings } from "../connection/handlers/connection-settings.ts";
import type { ConnectionHandlers } from "../connection/handlers/handlers.ts";
import type { MessageData, MessageInfo } from "../connection/options/delivery-options.ts";
import { CloseCode } from "../protocol/close-code.ts";
import { Endpoint } from "../protocol/endpoint/endpoint.ts";
import type { Violation } from "../protocol/protocol-error.ts";
import { ignoreError } from "../transport/ignore-error.ts";
import { nextTick, setImmediate } from "../transport/scheduling.ts";
import { transportOver } from "../transport/streams/transport-over.ts";
import {
  checkCode,
  checkReason,
  notOpen,
  type SendCallback,
  type SendOptions,
  type State,
  stateNames,
} from "./arguments.ts";
import { ClientHandshake, type ClientOptions } from "./client-handshake.ts";
import { ConnectionSender } from "./connection-sender.ts";
import { EventfulSocket, makeAttributes } from "./events/event-listeners.ts";
import { tell, throwLater } from "./events/tell.ts";
import { emptyBuffer } from "./parts/buffers.ts";
import { failureOf } from "./parts/failure.ts";
import {
  type BinaryType,
  binaryTypes,
  inForm,
  lengthOf,
  outgoing,
  ownBuffer,
  type RawData,
} from "./parts/message-data.ts";
import type { DeflateParams, PerMessageDeflateOptions } from "./parts/permessage-deflate.ts";
import { ReceiverView } from "./receiver-view.ts";
import { agreedParameters, type ConnectionTerms, compressionOptions, defaultMaxPayload, settleTerms } from "./terms.ts";
import { isWatched, watch } from "./watched-socket.ts";

/** The options of a server that its WebSockets are made with. */
export interface ServerSideOptions extends ConnectionTerms {
  readonly perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
}

/** What all WebSockets do with the events of their connections. */
let hooks: Pick<ConnectionSettings<WebSocket>, "handlers" | "failed" | "ended" | "endsAtOnce" | "keepalive">;

/** The method `pong` as it is here; an object or a class may have one of its own. */
let ownPong: WebSocket["pong"];

const noOptions: SendOptions = {};
const noExtensions: Readonly<Record<string, DeflateParams>> = {};
const [connecting, open, closing, closed] = [0, 1, 2, 3] as const;

/** Either side of a WebSocket connection, with the surface of `ws`. */
export class WebSocket extends EventfulSocket<WebSocket> {
  /** The connection is not yet open. */
  static readonly CONNECTING = 0;
  /** The connection is open. */
  static readonly OPEN = 1;
  /** The connection is closing. */
  static readonly CLOSING = 2;
  /** The connection is closed, or could not be opened. */
  static readonly CLOSED = 3;

  /** The connection is not yet open. */
  declare readonly CONNECTING: 0;
  /** The connection is open. */
  declare readonly OPEN: 1;
  /** The connection is closing. */
  declare readonly CLOSING: 2;
  /** The connection is closed, or could not be opened. */
  declare readonly CLOSED: 3;

  /** @internal The request of the opening handshake; null before and after it. */
  _req: ClientRequest | null = null;
  /** @internal Whether this is the server's side. */
  _isServer: boolean;
  /** @internal The agreed subprotocol. */
  _protocol = "";
  /** @internal The parameters of the agreed extensions, by name. */
  _extensions: Readonly<Record<string, DeflateParams>> = noExtensions;
  /** @internal */
  _url: string | undefined;
  /** @internal How many redirects were followed; on the prototype while none was. */
  declare _redirects: number;
  /** @internal Whether Pings are answered; on the prototype while they are. */
  declare _autoPong: boolean;

  /** Set once the connection is established, with its socket. */
  #core: ConnectionCore | undefined;
  #socket: Duplex | null = null;
  /** Whether others write to the socket, or listen to it. */
  #isTouched = false;
  /** Where it stands while there is no connection, and after it. */
  #state: State = connecting;
  #options: ServerSideOptions;
  #binaryType: BinaryType = "nodebuffer";
  #paused = false;
  /** The first error that was told. */
  #error: Error | undefined;
  /** Bytes that were sent when it was too late. */
  #late = 0;
  #sender: ConnectionSender | undefined;
  #receiver: ReceiverView | undefined;
  #handshake: ClientHandshake | undefined;

  static {
    const handlers: ConnectionHandlers<WebSocket> = {
      message: (self, data: MessageData, { text }: MessageInfo) => self.#received(data as Uint8Array, text),
      ping: (self, payload) => self.#receivedPing(payload),
      pong: (self, payload) => self.#receivedControl("pong", payload),
      closing: (self) => self.#peerCloses(),
      close: (self) => self.emitClose(),
      error: (self, error) => self.#tellError(error),
    };
    hooks = {
      handlers,
      failed: (self, violation) => self.#fail(violation),
      ended: (self) => self.#core?.receiving.release(),
      // Who hears of a client's `close` finds that the server's side has closed as well.
      endsAtOnce: true,
      keepalive: undefined,
    };
    Object.defineProperty(WebSocket.prototype, "_redirects", { value: 0, writable: true });
    Object.defineProperty(WebSocket.prototype, "_autoPong", { value: true, writable: true });
    ownPong = WebSocket.prototype.pong;
    makeAttributes(WebSocket.prototype);
    for (const kind of [WebSocket, WebSocket.prototype]) {
      for (const [value, name] of stateNames.entries()) {
        Object.defineProperty(kind, name, { configurable: false, enumerable: true, value, writable: false });
      }
    }
  }

  /**
   * Opens a connection to a `ws:`, `wss:`, `http:`, `https:` or `ws+unix:` URL; without an address it waits for
   * `setSocket`, as those of a server do.
   *
   * Throws a SyntaxError for an address or subprotocols that cannot be, and a RangeError for another protocol version
   * than 8 and 13.
   */
  constructor(address: null, protocols?: undefined, options?: ServerSideOptions);
  constructor(address: string | URL, options?: ClientOptions | ClientRequestArgs);
  constructor(address: string | URL, protocols?: string | string[], options?: ClientOptions | ClientRequestArgs);
  constructor(
    address: string | URL | null,
    protocols?: string | string[] | ClientOptions | ClientRequestArgs | undefined,
    options?: ClientOptions | ClientRequestArgs | ServerSideOptions,
  ) {
    super();
    this._isServer = address === null;
    if (address === null) {
      this.#options = (options as ServerSideOptions | undefined) ?? {};
      return;
    }
    const alone = typeof protocols === "object" && protocols !== null && !Array.isArray(protocols);
    const given = (alone ? protocols : (options ?? {})) as ClientOptions;
    this.#options = given as ServerSideOptions;
    const offered = alone || protocols === undefined ? (given.protocols ?? []) : protocols;
    this.#handshake = new ClientHandshake(given, offered as string | string[], {
      socket: this,
      isConnecting: () => this.#state === connecting && this.#core === undefined,
      established: (stream, head, agreement) => {
        this._protocol = agreement.subprotocol;
        if (agreement.params !== undefined) this._extensions = { "permessage-deflate": agreement.params };
        this.setSocket(stream, head, given as ConnectionTerms);
      },
      failing: () => {
        this.#state = closing;
      },
      failed: (error) => {
        this.#state = closing;
        this.#error = error;
        this.emit("error", error);
        this.emitClose();
      },
    });
    this.#handshake.start(address);
  }

  // What it is

  /**
   * In which form binary messages come. Default "nodebuffer". Other values are ignored.
   *
   * The type leaves out "blob", which is read all the same: so does `@types/ws`, of whose WebSockets this is one.
   */
  get binaryType(): Exclude<BinaryType, "blob"> {
    return this.#binaryType as Exclude<BinaryType, "blob">;
  }

  set binaryType(type: BinaryType) {
    if (binaryTypes.includes(type)) this.#binaryType = type;
  }

  /** Bytes that were sent and have not left the process, those included that were sent too late to leave at all. */
  get bufferedAmount(): number {
    const core = this.#core;
    if (core === undefined || this.#state === closed) return this.#late;
    // Else what was sent in this turn would count although the system takes it.
    core.outbox.flush();
    return this.#late + core.bufferedAmount;
  }

  /** The names of the agreed extensions. */
  get extensions(): string {
    return Object.keys(this._extensions).join();
  }

  /** Whether `pause` was called, and `resume` was not since. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /** The agreed subprotocol; empty when none was. */
  get protocol(): string {
    return this._protocol;
  }

  /** The number of the state: 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): 0 | 1 | 2 | 3 {
    if (this.#core === undefined || this.#state === closed) return this.#state;
    return this.#core.isOpen() ? open : closing;
  }

  /** The URL that a client was opened with; undefined for a server's. */
  get url(): string {
    return this._url as string;
  }

  /** @internal The stream below; null before the handshake is done. What is written to it stands behind what was sent. */
  get _socket(): Duplex | null {
    this.#core?.outbox.flush();
    return this.#socket;
  }

  /** @internal What sends; null before the handshake is done. */
  get _sender(): ConnectionSender | null {
    return this.#core === undefined ? null : this.#senderOf(this.#core);
  }

  #senderOf(core: ConnectionCore): ConnectionSender {
    this.#sender ??= new ConnectionSender(core, this.#socket!);
    return this.#sender;
  }

  /** @internal What stands for a receiver, which there is none of. */
  get _receiver(): ReceiverView | null {
    if (this.#core === undefined) return null;
    const { maxPayload = defaultMaxPayload } = this.#options;
    this.#receiver ??= new ReceiverView(this.#core.endpoint, maxPayload, this._extensions);
    return this.#receiver;
  }

  /** @internal */
  get _readyState(): State {
    return this.readyState;
  }

  /** @internal */
  get _closeFrameSent(): boolean {
    return this.#core?.endpoint.closeSent !== undefined;
  }

  /** @internal */
  get _closeFrameReceived(): boolean {
    return this.#core?.endpoint.closeReceived !== undefined;
  }

  /** @internal The code of the peer's Close. */
  get _closeCode(): number {
    return this.#core?.endpoint.closeReceived?.code ?? CloseCode.AbnormalClosure;
  }

  /** @internal The reason of the peer's Close. */
  get _closeMessage(): Buffer {
    const reason = this.#core?.endpoint.closeReceived?.reason;
    return reason ? Buffer.from(reason) : emptyBuffer;
  }

  // Its beginning

  /** @internal Takes a socket whose opening handshake is done, and begins. */
  setSocket(socket: Duplex, head: Buffer, options: ConnectionTerms = {}): void {
    const role = this._isServer ? "server" : "client";
    const params = this._extensions["permessage-deflate"];
    const all = { ...this.#options, ...options };
    const { endpoint, settings } = settleTerms(role, params !== undefined, all, hooks);
    if (all.autoPong === false) this._autoPong = false;
    const { setTimeout, setNoDelay } = socket as Partial<Socket>;
    setTimeout?.call(socket, 0);
    setNoDelay?.call(socket);
    const transport = transportOver(socket, true);
    const core = new ConnectionCore(
      {
        endpoint: new Endpoint(endpoint),
        transport,
        settings: settings as unknown as ConnectionSettings<PublicConnection>,
        deflate: params && this.#makeDeflate(params),
      },
      this as unknown as PublicConnection,
    );
    this.#core = core;
    this.#handshake = undefined;
    this.#socket = socket;
    // Listeners may be added until the turn is over.
    if (head.length > 0) {
      nextTick(() => {
        if (isWatched(socket)) core.received(Buffer.from(head), false, head.length);
        else socket.unshift(head);
      });
    }
    const begin = () => {
      core.start();
      watch(socket, this);
    };
    if (socket.readable && socket.writable) {
      begin();
    } else {
      // Whoever is to hear that it is over already has to listen first.
      socket.on("error", ignoreError);
      nextTick(begin);
    }
    tell(this, "open");
  }

  /** @internal Others use the socket: from now on what is sent leaves at once, before what they write. */
  socketTouched(): void {
    this.#isTouched = true;
    this.#core!.outbox.flush();
    this.#core!.transport.becomeStream();
  }

  #makeDeflate(params: DeflateParams): MessageDeflate {
    const role = this._isServer ? "server" : "client";
    const { perMessageDeflate } = this.#options;
    const given = typeof perMessageDeflate === "object" ? perMessageDeflate : {};
    const startsEmpty = params[`${role}_no_context_takeover`] === true;
    return new MessageDeflate(role, agreedParameters(params), compressionOptions(given, startsEmpty));
  }

  // What it receives

  #received(data: Uint8Array, text: boolean): void {
    try {
      this.emit("message", text ? ownBuffer(data) : (inForm(data, this.#binaryType) as RawData), !text);
    } catch (error) {
      throwLater(error);
    }
    if (this.#options.allowSynchronousEvents === false) this.#holdForThisTurn();
  }

  #receivedPing(payload: Uint8Array): void {
    if (this._autoPong) this.#answer(payload);
    this.#receivedControl("ping", payload);
  }

  /** Answers a Ping by `pong`: whoever puts another method in its place decides how. */
  #answer(payload: Uint8Array): void {
    if (this.pong === ownPong) return this.#core!.endpoint.answerPing(payload);
    try {
      this.pong(ownBuffer(payload), !this._isServer, () => {});
    } catch (error) {
      throwLater(error);
    }
  }

  #receivedControl(event: "ping" | "pong", payload: Uint8Array): void {
    tell(this, event, ownBuffer(payload));
    if (this.#options.allowSynchronousEvents === false) this.#holdForThisTurn();
  }

  #holdForThisTurn(): void {
    const { receiving } = this.#core!;
    receiving.hold();
    setImmediate(() => {
      if (!this.#paused) receiving.release();
    });
  }

  /** Answers the peer's Close at once, with its own words. */
  #peerCloses(): undefined {
    const core = this.#core!;
    const { closeReceived } = core.endpoint;
    if (closeReceived === undefined) return;
    if (core.isOpen()) core.closing.close(closeReceived.code, closeReceived.reason);
    this.#receiver?.emit("conclude", closeReceived.code, Buffer.from(closeReceived.reason));
  }

  #fail(violation: Violation): void {
    const core = this.#core!;
    core.outbox.flush();
    core.receiving.release();
    this.#tellError(failureOf(core.endpoint, violation));
  }

  /** Tells of the first error, and of none after the end. */
  #tellError(error: Error): void {
    if (this.#error !== undefined || this.#state === closed) return;
    this.#error = error;
    tell(this, "error", error);
  }

  /** @internal Says that it is over. */
  emitClose(): void {
    this.#state = closed;
    tell(this, "close", this._closeCode, this._closeMessage);
  }

  /** Reads nothing more until `resume`; what was read already may still be delivered. No-op unless it is open or closing. */
  pause(): void {
    if (this.#core === undefined || this.#state === closed) return;
    this.#paused = true;
    this.#core.receiving.hold();
    this.#core.receiving.read(false);
  }

  /** Goes on after `pause`. No-op unless it is open or closing. */
  resume(): void {
    if (this.#core === undefined || this.#state === closed) return;
    this.#paused = false;
    this.#core.receiving.read(true);
    this.#core.receiving.release();
  }

  // What it sends

  /**
   * Sends a message, or a fragment of one. Numbers are sent as text.
   *
   * Throws an Error while connecting, and a TypeError for what cannot be sent. Once it is closing or closed, nothing is
   * sent, and the callback gets the error.
   */
  send(data: unknown, callback?: SendCallback): void;
  send(data: unknown, options?: SendOptions, callback?: SendCallback): void;
  send(data: unknown, options?: SendOptions | SendCallback, callback?: SendCallback): void {
    const told = typeof options === "function" ? options : callback;
    const core = this.#open();
    const message = outgoing(data);
    if (core === undefined) return this.#sendLate(message, told);
    const given = typeof options === "object" && options !== null ? options : noOptions;
    const binary = "binary" in given ? given.binary : typeof data !== "string" && typeof data !== "number";
    const sender = this.#senderOf(core);
    sender.send(message, !binary, given);
    if (this.#isTouched) core.outbox.flush();
    if (typeof told === "function") sender.whenWritten(told);
  }

  /** Sends a Ping of at most 125 bytes; throws and calls back as `send` does. */
  ping(data?: unknown, mask?: boolean, callback?: SendCallback): void;
  ping(data?: unknown, callback?: SendCallback): void;
  ping(callback?: SendCallback): void;
  ping(data?: unknown, mask?: unknown, callback?: SendCallback): void {
    this.#sendControl("ping", data, mask, callback);
  }

  /** Sends a Pong of at most 125 bytes; throws and calls back as `send` does. */
  pong(data?: unknown, mask?: boolean, callback?: SendCallback): void;
  pong(data?: unknown, callback?: SendCallback): void;
  pong(callback?: SendCallback): void;
  pong(data?: unknown, mask?: unknown, callback?: SendCallback): void {
    this.#sendControl("pong", data, mask, callback);
  }

  #sendControl(opcode: "ping" | "pong", data: unknown, mask: unknown, callback: SendCallback | undefined): void {
    const told = [data, mask, callback].find((value) => typeof value === "function") as SendCallback | undefined;
    const core = this.#open();
    const payload = outgoing(typeof data === "function" ? undefined : data);
    if (core === undefined) return this.#sendLate(payload, told);
    const sender = this.#senderOf(core);
    sender.sendControl(opcode, payload);
    if (told !== undefined) sender.whenWritten(told);
  }

  /** The connection while it takes messages; undefined once it does not. Throws an Error before. */
  #open(): ConnectionCore | undefined {
    const core = this.#core;
    if (core?.isOpen()) return core;
    if (this.readyState === connecting) throw notOpen(connecting);
    return undefined;
  }

  /** It is too late to send: what was sent counts as buffered for good. */
  #sendLate(data: string | Buffer | Blob, callback: SendCallback | undefined): void {
    this.#late += lengthOf(data);
    if (typeof callback === "function") nextTick(callback, notOpen(this.readyState));
  }

  // Its end

  /**
   * Starts the closing handshake, behind all that was sent; no-op where it has begun. While connecting, gives up.
   *
   * Throws a TypeError for a code that a Close frame cannot carry or a reason that is neither text nor bytes, and a
   * RangeError for a reason of more than 123 bytes.
   */
  close(code?: number, reason?: string | Uint8Array): void {
    if (this.#state === closed) return;
    const core = this.#core;
    if (core === undefined) return this.#abort();
    if (!core.isOpen()) return;
    core.closing.close(checkCode(code), checkReason(code, reason));
  }

  /**
   * Destroys the socket. What was read before is delivered all the same, and what was sent before leaves as far as the
   * system takes it. While connecting, gives up.
   */
  terminate(): void {
    if (this.#state === closed) return;
    const core = this.#core;
    if (core === undefined) return this.#abort();
    core.outbox.flush();
    core.closing.giveUp("local", "The connection was terminated on this side");
  }

  #abort(): void {
    if (this.#state === connecting) {
      this.#handshake?.abort("WebSocket was closed before the connection was established");
    }
  }
}
