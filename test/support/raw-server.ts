/**
 * A server that answers opening handshakes with whatever bytes a test makes up, plain or over TLS, built without the code
 * under test.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** A request as it came. */
export interface ReceivedRequest {
  readonly method: string;
  readonly target: string;
  /** In wire order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The values of a field, in wire order; the name in lower case. */
  values(name: string): string[];
  /** The `Sec-WebSocket-Accept` that answers it. */
  readonly accept: string;
  /** What came behind its head. */
  readonly rest: Buffer;
}

/** What answers a request: bytes to send, or a function that does as it likes. */
export type Answer = (request: ReceivedRequest, socket: Socket) => string | Uint8Array | undefined;

/** A server under a test's control. */
export interface RawServer {
  readonly port: number;
  /** The requests that came. */
  readonly requests: ReceivedRequest[];
  /** The sockets that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** How many sockets there have been. */
  readonly accepted: number;
  close(): Promise<void>;
}

/** Where to listen, and the certificate when over TLS. */
export interface RawServerOptions {
  readonly tls?: TlsOptions;
  readonly path?: string;
}

/** Starts a server on the loopback interface. */
export async function rawServer(answer: Answer, { tls, path }: RawServerOptions = {}): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const requests: ReceivedRequest[] = [];
  let accepted = 0;
  const take = (socket: Socket) => {
    let received = Buffer.alloc(0);
    const collect = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", collect);
      const request = readRequest(received.subarray(0, end).toString("latin1"), received.subarray(end + 4));
      requests.push(request);
      const bytes = answer(request, socket);
      if (bytes !== undefined) socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    };
    socket.on("data", collect);
  };
  const server = tls
    ? createTlsServer({ ...tls, allowHalfOpen: true } as TlsOptions, take)
    : createServer({ allowHalfOpen: true }, take);
  server.on("connection", (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A client that leaves is what many tests are about.
    socket.on("error", () => {});
  });
  // Clients that do not trust the certificate.
  server.on("tlsClientError", () => {});
  if (tls) server.on("secureConnection", (socket: Socket) => socket.on("error", () => {}));
  server.listen(path === undefined ? { port: 0, host: "127.0.0.1" } : { path });
  await once(server, "listening");
  return {
    port: path === undefined ? (server.address() as AddressInfo).port : 0,
    requests,
    sockets,
    get accepted() {
      return accepted;
    },
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** A 101 that answers the request, with fields replaced, repeated or, when undefined, left out. */
export function acceptance(
  request: ReceivedRequest,
  fields: Readonly<Record<string, string | readonly string[] | undefined>> = {},
  statusLine = "HTTP/1.1 101 Switching Protocols",
): string {
  const all = { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Accept": request.accept, ...fields };
  let text = `${statusLine}\r\n`;
  for (const [name, values] of Object.entries(all)) {
    for (const value of typeof values === "string" ? [values] : (values ?? [])) text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

/** Takes the head of a request apart. */
export function readRequest(head: string, rest: Buffer): ReceivedRequest {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", target = ""] = first.split(" ");
  const fields = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });
  const values = (wanted: string) => fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const key = values("sec-websocket-key")[0] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return { method, target, fields, values, accept, rest };
}
