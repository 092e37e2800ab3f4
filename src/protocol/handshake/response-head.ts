/**
 * The head of the response to a client's request, RFC 9112 sections 2 to 5, however the network cuts it.
 *
 * A user agent may accept that LF alone ends a line (section 2.2) and that a folded line continues the field before it
 * (section 5.2). Nothing else is accepted: a CR alone, any other control character or a line that is no field ends the
 * reading, so that no two readers see different fields. Informational responses are skipped.
 */

import { decodeLatin1 } from "../runtime/text.ts";
import { HandshakeError } from "./handshake-error.ts";
import { isFieldValue, isToken, trimWhitespace } from "./header-fields.ts";
import type { HandshakeResponse } from "./response.ts";

/** The head of a final response. */
export type ResponseHead = {
  /** The response, with the fields up to the problem, if there is one. */
  readonly response: HandshakeResponse;
  /** The bytes behind the head; empty when the head was not read to its end. */
  readonly rest: Uint8Array;
  /**
   * The reason why the head was not read to its end, such as "its head has more than 65536 bytes"; otherwise undefined.
   */
  readonly problem: string | undefined;
};

/** Reads the head of one response. */
export class ResponseHeadReader {
  readonly #maxSize: number;
  /** The number of bytes of this head that were read. */
  #size = 0;
  /** The beginning of a line whose end has not come, as latin1. */
  #line = "";
  #status: number | undefined;
  #httpVersion = "";
  #rawHeaders: string[] = [];
  /** The number of informational responses that were skipped. */
  #informational = 0;

  /** Reads at most `maxSize` bytes of a head, its line ends included. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** The status of the response whose head is being read; undefined before the end of its first line. */
  get status(): number | undefined {
    return this.#status;
  }

  /**
   * Reads on; returns the head when it is complete or cannot be read further, and undefined before.
   *
   * Throws a `HandshakeError` of the rule `malformed-response` when it cannot be read further and has no status.
   */
  read(chunk: Uint8Array): ResponseHead | undefined {
    for (let at = 0; at < chunk.length; ) {
      const lineFeed = chunk.indexOf(LINE_FEED, at);
      const next = lineFeed === -1 ? chunk.length : lineFeed + 1;
      this.#size += next - at;
      if (this.#size > this.#maxSize) return this.#stop(`its head has more than ${this.#maxSize} bytes`);
      const lengthBefore = this.#line.length;
      this.#line += decodeLatin1(chunk, at, lineFeed === -1 ? next : lineFeed);
      at = next;
      if (lineFeed === -1) {
        // A server of another protocol may end no line and wait for the client.
        const begins = this.#status !== undefined || lengthBefore >= prefix.length || beginsAsHttp(this.#line);
        return begins ? undefined : this.#stop(noStatusLineIn(this.#line));
      }
      const line = this.#line.endsWith("\r") ? this.#line.slice(0, -1) : this.#line;
      this.#line = "";
      const problem = this.#takeLine(line);
      if (problem === endOfHead) return this.#end(chunk.subarray(at), undefined);
      if (problem !== undefined) return this.#stop(problem);
    }
    return undefined;
  }

  #takeLine(line: string): string | undefined {
    if (this.#status === undefined) return this.#takeStatusLine(line);
    if (line !== "") return this.#takeFieldLine(line);
    if (this.#status >= 200 || this.#status === 101) return endOfHead;
    this.#status = undefined;
    this.#rawHeaders = [];
    this.#size = 0;
    this.#informational++;
    return this.#informational > mostInformational ? `there are more than ${mostInformational} before it` : undefined;
  }

  #takeStatusLine(line: string): string | undefined {
    // Empty lines before the status line are skipped, as Node's parser does and section 2.2 asks of servers.
    if (line === "") return undefined;
    const [, httpVersion, status, reason = ""] = statusLine.exec(line) ?? [];
    if (httpVersion === undefined || !isFieldValue(reason)) return noStatusLineIn(line);
    this.#httpVersion = httpVersion;
    this.#status = Number(status);
    return undefined;
  }

  #takeFieldLine(line: string): string | undefined {
    if (!isFieldValue(line)) return "its head has a control character";
    const fields = this.#rawHeaders;
    if (line.startsWith(" ") || line.startsWith("\t")) {
      const value = fields.pop();
      if (value === undefined) return "its head has a folded line before the first field";
      const folded = trimWhitespace(line);
      fields.push(value === "" || folded === "" ? value + folded : `${value} ${folded}`);
      return undefined;
    }
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0));
    if (!isToken(name)) return "its head has a line that is no field";
    fields.push(name, trimWhitespace(line.slice(colon + 1)));
    return undefined;
  }

  #stop(problem: string): ResponseHead {
    if (this.#status === undefined) throw new HandshakeError("malformed-response", { detail: problem });
    return this.#end(new Uint8Array(0), problem);
  }

  #end(rest: Uint8Array, problem: string | undefined): ResponseHead {
    const response = { status: this.#status!, httpVersion: this.#httpVersion, rawHeaders: this.#rawHeaders };
    return { response, rest, problem };
  }
}

/** The most informational responses: a server may send one each second for a long time, but a flood must end. */
const mostInformational = 100;
const LINE_FEED = 0x0a;
const TLS_ALERT = 0x15;
const TLS_HANDSHAKE = 0x16;
const prefix = "HTTP/1.";
/** A status line: three digits from 100 on. The reason may be missing, with its space, as from many servers. */
const statusLine = /^HTTP\/(1\.\d) ([1-9]\d\d)(?: (.*))?$/s;
/** The value that stands for the end of the head, where a problem would be. */
const endOfHead = "";

/**
 * Returns the problem of a first line that is no status line. A record of TLS (RFC 8446 section 5.1) has one of its
 * own.
 */
function noStatusLineIn(line: string): string {
  const type = line.charCodeAt(0);
  if (type === TLS_ALERT || type === TLS_HANDSHAKE) return "it is TLS, so the URL has to begin with wss:";
  return "it does not begin with a status line of HTTP/1";
}

/** Whether the line may be the beginning of a status line, or of an empty line before one. */
function beginsAsHttp(line: string): boolean {
  return line === "\r" || prefix.startsWith(line.slice(0, prefix.length));
}
