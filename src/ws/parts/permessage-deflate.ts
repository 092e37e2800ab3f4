/**
 * `PerMessageDeflate` of `ws`: RFC 7692 as a class of its own, which negotiates, compresses and inflates piece by piece.
 *
 * Nothing in this package uses it; connections compress by `connection/compression/`.
 */

import { createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw, type ZlibOptions } from "node:zlib";
import { removedTail } from "../../connection/compression/zlib-one-shot.ts";
import { permessageDeflate, windowBits } from "../../protocol/handshake/permessage-deflate.ts";
import { Limiter } from "./limiter.ts";
import { type ReceiverError, statusCode } from "./receiver-error.ts";
import { type PieceCallback, ZlibPieces } from "./zlib-pieces.ts";

/** Options for zlib's compressor, with a dictionary of several pieces as `@types/ws` has it. */
export type ZlibDeflateOptions = Omit<ZlibOptions, "dictionary"> & {
  dictionary?: ZlibOptions["dictionary"] | readonly Buffer[] | undefined;
};

/** How messages are compressed, in the words of `ws`. */
export interface PerMessageDeflateOptions {
  /** Whether the server starts each message with an empty window. `false` refuses offers that ask for it. */
  serverNoContextTakeover?: boolean | undefined;
  /** Whether the client starts each message with an empty window. `false` fails a response that asks for it. */
  clientNoContextTakeover?: boolean | undefined;
  /** The server's window as a power of two, 8 to 15. `false` refuses offers that limit it. */
  serverMaxWindowBits?: number | boolean | undefined;
  /** The client's window as a power of two, 8 to 15; `false` lets the server set none. Default: as the server wishes. */
  clientMaxWindowBits?: number | boolean | undefined;
  /** Options for zlib's compressor. */
  zlibDeflateOptions?: ZlibDeflateOptions | undefined;
  /** Options for zlib's inflater. */
  zlibInflateOptions?: ZlibOptions | undefined;
  /** Bytes below which a message is not compressed, where its sender has no context takeover. Default 1024. */
  threshold?: number | undefined;
  /** Pieces that all instances together work on at once; the first instance decides. Default 10. */
  concurrencyLimit?: number | undefined;
  /** Which side this is. Default false: the client. */
  isServer?: boolean | undefined;
  /** The most bytes that a piece may be when inflated. Default 0: any number. */
  maxPayload?: number | undefined;
}

/** Parameters by their names on the wire. */
export interface DeflateParams {
  server_no_context_takeover?: true;
  client_no_context_takeover?: true;
  server_max_window_bits?: number;
  client_max_window_bits?: number | true;
}

const largestWindowBits = 15;
let limiter: Limiter | undefined;

/** One side's permessage-deflate. `accept` comes before `compress` and `decompress`. */
export class PerMessageDeflate {
  /** What was agreed; null before `accept`. */
  params: DeflateParams | null = null;
  readonly #options: PerMessageDeflateOptions;
  readonly #limiter: Limiter;
  readonly #deflate: ZlibPieces<DeflateRaw>;
  readonly #inflate: ZlibPieces<InflateRaw>;

  constructor(options?: PerMessageDeflateOptions | null) {
    const given = options ?? {};
    this.#options = given;
    limiter ??= new Limiter(given.concurrencyLimit ?? 10);
    this.#limiter = limiter;
    const { zlibDeflateOptions, zlibInflateOptions, maxPayload } = given;
    this.#deflate = new ZlibPieces(() =>
      createDeflateRaw({ ...(zlibDeflateOptions as ZlibOptions), windowBits: this.#bits(this.#own) }),
    );
    this.#inflate = new ZlibPieces(
      () => createInflateRaw({ ...zlibInflateOptions, windowBits: this.#bits(this.#peer) }),
      maxPayload,
    );
  }

  /** `permessage-deflate`. */
  static get extensionName(): string {
    return permessageDeflate;
  }

  /** The compressor of zlib; null before the first piece. */
  get _deflate(): DeflateRaw | null {
    return this.#deflate.stream ?? null;
  }

  /** The inflater of zlib; null before the first piece. */
  get _inflate(): InflateRaw | null {
    return this.#inflate.stream ?? null;
  }

  /** Returns the parameters of a client's offer. */
  offer(): DeflateParams {
    const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } =
      this.#options;
    const params: DeflateParams = {};
    if (serverNoContextTakeover) params.server_no_context_takeover = true;
    if (clientNoContextTakeover) params.client_no_context_takeover = true;
    if (serverMaxWindowBits) params.server_max_window_bits = serverMaxWindowBits as number;
    const clientBits = clientMaxWindowBits ?? true;
    if (clientBits) params.client_max_window_bits = clientBits;
    return params;
  }

  /**
   * Agrees on a client's offers, or as a client on a response, both as `extension.parse` gives them, and returns the
   * parameters: one of the objects given, changed.
   *
   * Throws an Error for what cannot be accepted, and a TypeError for a value that a parameter cannot have.
   */
  accept(configurations: readonly object[]): DeflateParams {
    const offers = configurations.map((given) => this.#read(given as Record<string, readonly unknown[]>));
    this.params = this.#options.isServer ? this.#acceptOffer(offers) : this.#acceptResponse(offers[0]!);
    return this.params;
  }

  /** Frees what is kept. Pieces that are under way fail. */
  cleanup(): void {
    this.#inflate.close(new Error("The inflate stream was closed while data was being processed"));
    this.#deflate.close(new Error("The deflate stream was closed while data was being processed"));
  }

  /** Whether a message that begins with this many bytes is better compressed. */
  pays(length: number): boolean {
    return !this.#startsEmpty(this.#own) || length >= (this.#options.threshold ?? 1024);
  }

  /** Inflates the payload of a frame; `fin` is that of the message's last. */
  decompress(data: Uint8Array, fin: boolean, callback: PieceCallback): void {
    this.#limiter.run((done) => {
      this.#inflate.feed(fin ? [data, removedTail] : [data], (error, output) => {
        if (error !== null) (error as ReceiverError)[statusCode] ??= 1007;
        // A final block has ended the stream.
        else if (this.#inflate.stream!.readableEnded) this.#inflate.restart();
        else if (fin && this.#startsEmpty(this.#peer)) this.#inflate.stream!.reset();
        done();
        callback(error, output);
      });
    });
  }

  /** Compresses a piece of a message; `fin` is that of its last, from which the tail is taken off. */
  compress(data: Uint8Array | string, fin: boolean, callback: PieceCallback): void {
    this.#limiter.run((done) => {
      this.#deflate.feed([data], (error, output) => {
        if (error === null && fin && this.#startsEmpty(this.#own)) this.#deflate.stream!.reset();
        done();
        callback(error, fin ? output?.subarray(0, -removedTail.length) : output);
      });
    });
  }

  get #own(): "server" | "client" {
    return this.#options.isServer ? "server" : "client";
  }

  get #peer(): "server" | "client" {
    return this.#options.isServer ? "client" : "server";
  }

  #bits(side: "server" | "client"): number {
    const bits = this.params?.[`${side}_max_window_bits`];
    // zlib has no raw window of 8 bits: it compresses with 9, which an inflater of 8 may not read.
    return typeof bits === "number" ? Math.max(9, bits) : largestWindowBits;
  }

  /** Whether that side starts each message with an empty window. */
  #startsEmpty(side: "server" | "client"): boolean {
    return this.params?.[`${side}_no_context_takeover`] === true;
  }

  #acceptOffer(offers: readonly DeflateParams[]): DeflateParams {
    const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } =
      this.#options;
    const accepted = offers.find((offer) => this.#canGrant(offer));
    if (accepted === undefined) throw new Error("None of the extension offers can be accepted");
    if (serverNoContextTakeover) accepted.server_no_context_takeover = true;
    if (clientNoContextTakeover) accepted.client_no_context_takeover = true;
    if (typeof serverMaxWindowBits === "number") accepted.server_max_window_bits = serverMaxWindowBits;
    if (typeof clientMaxWindowBits === "number") accepted.client_max_window_bits = clientMaxWindowBits;
    else if (accepted.client_max_window_bits === true || clientMaxWindowBits === false) {
      delete accepted.client_max_window_bits;
    }
    return accepted;
  }

  #canGrant(offer: DeflateParams): boolean {
    const { serverNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits } = this.#options;
    if (serverNoContextTakeover === false && offer.server_no_context_takeover) return false;
    if (offer.server_max_window_bits !== undefined) {
      if (serverMaxWindowBits === false) return false;
      if (typeof serverMaxWindowBits === "number" && serverMaxWindowBits > offer.server_max_window_bits) return false;
    }
    if (typeof clientMaxWindowBits !== "number") return true;
    const offered = offer.client_max_window_bits;
    return offered === true || (offered !== undefined && offered >= clientMaxWindowBits);
  }

  #acceptResponse(response: DeflateParams): DeflateParams {
    const { clientNoContextTakeover, clientMaxWindowBits } = this.#options;
    if (clientNoContextTakeover === false && response.client_no_context_takeover) {
      throw new Error('Unexpected parameter "client_no_context_takeover"');
    }
    const most = typeof clientMaxWindowBits === "number" ? clientMaxWindowBits : undefined;
    const answered = response.client_max_window_bits;
    if (answered === undefined) {
      if (most !== undefined) response.client_max_window_bits = most;
    } else if (clientMaxWindowBits === false || (most !== undefined && (answered as number) > most)) {
      throw new Error('Unexpected or invalid parameter "client_max_window_bits"');
    }
    return response;
  }

  /** Replaces the lists of values by the one that each parameter may have, and returns the same object. */
  #read(given: Record<string, unknown>): DeflateParams {
    for (const [name, values] of Object.entries(given)) {
      const [value, second] = values as readonly unknown[];
      if (second !== undefined) throw new Error(`Parameter "${name}" must have only a single value`);
      given[name] = this.#readValue(name, value);
    }
    return given as DeflateParams;
  }

  #readValue(name: string, value: unknown): unknown {
    const read = this.#valueOf(name, value);
    if (read === undefined) throw new TypeError(`Invalid value for parameter "${name}": ${value}`);
    return read;
  }

  #valueOf(name: string, value: unknown): true | number | undefined {
    switch (name) {
      case "server_no_context_takeover":
      case "client_no_context_takeover":
        return value === true ? true : undefined;
      case "client_max_window_bits":
        // An offer may leave the window to the server.
        if (value === true) return this.#options.isServer ? true : undefined;
        return windowBits(String(value));
      case "server_max_window_bits":
        return windowBits(String(value));
      default:
        throw new Error(`Unknown parameter "${name}"`);
    }
  }
}
