/**
 * The request of an opening handshake that `node:http` has not read: an object of its class, with all that such a request
 * has. Its socket is made when somebody asks for it.
 */

import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { RequestHead } from "./request-head.ts";

const makeSocket = Symbol("makeSocket");
const madeSocket = Symbol("madeSocket");

/** What is used of a request besides its public members. */
interface FilledRequest {
  _addHeaderLines(rawHeaders: readonly string[], count: number): void;
}

class BareRequest extends IncomingMessage {
  readonly [makeSocket]: () => Socket;
  /** Kept, since a connection that is over has another at each call. */
  [madeSocket]?: Socket;

  constructor({ target, rawHeaders }: RequestHead, socket: () => Socket) {
    super(undefined as unknown as Socket);
    this[makeSocket] = socket;
    this.method = "GET";
    this.url = target;
    this.httpVersion = "1.1";
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    (this as unknown as FilledRequest)._addHeaderLines(rawHeaders, rawHeaders.length);
    (this as { upgrade?: boolean }).upgrade = true;
    this.complete = true;
  }

  /** It has no body. To say so before somebody reads would hold the request for a tick. */
  override _read(): void {
    this.push(null);
  }
}

// The class of Node sets both in its constructor, where there is no socket yet.
for (const name of ["socket", "client"]) {
  Object.defineProperty(BareRequest.prototype, name, {
    configurable: true,
    get(this: BareRequest) {
      this[madeSocket] ??= this[makeSocket]();
      return this[madeSocket];
    },
    set() {},
  });
}

/** Whether requests can be made here as Node makes them. */
export const canMakeRequests: boolean = tryRequest();

/** Makes the request of a head; `socket` makes its socket. */
export function requestOf(head: RequestHead, socket: () => Socket): IncomingMessage {
  return new BareRequest(head, socket);
}

function tryRequest(): boolean {
  try {
    let asked = 0;
    const socket = (): Socket => {
      asked++;
      throw new Error("A trial has no socket");
    };
    const { headers, url } = new BareRequest({ target: "/a", rawHeaders: ["Host", "b"] }, socket);
    return headers.host === "b" && url === "/a" && asked === 0;
  } catch {
    return false;
  }
}
