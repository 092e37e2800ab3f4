/**
 * Our client, `connect` and `WebSocket`, under a raw server whose transport fails after every byte of its response, of
 * data and of the closing handshake: an error, a report or events that say what happened, nothing uncaught, nothing left
 * open (C04, C16, D01, D16). What fails on the way to the server is in `test/client/connect-faults.test.ts`.
 */
import { getEventListeners, once } from "node:events";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type CloseReport, connect, HandshakeError, WebSocket } from "../../src/index.ts";
import {
  checkReport,
  conversation,
  countOutcomes,
  densities,
  eventually,
  expectAllOutcomes,
  messagesBy,
  type Outcome,
  places,
  type RawEnd,
  type Strike,
  strike,
  strikes,
  surroundings,
  tlsOver,
} from "../support/injection.ts";
import { acceptance, readRequest } from "../support/raw-server.ts";

/** One strike. */
interface Case {
  readonly face: "connect" | "WebSocket";
  readonly secure: boolean;
  readonly kind: Strike;
  readonly closer: "peer" | "tested";
  /** Bytes sent, those of the response among them. */
  readonly at: number;
  /** Whether the strike waits until the client has read all that. */
  readonly exact: boolean;
}

/** What the client under test saw. */
interface Seen {
  opened: number;
  readonly messages: (string | Uint8Array)[];
  failure?: unknown;
  report?: CloseReport;
  /** Of a `WebSocket`. */
  readonly events: string[];
  closeEvent?: { readonly code: number; readonly reason: string; readonly wasClean: boolean };
  errorEvent?: Error;
}

const script = conversation("server");
const { certificates, sockets, noteState, expectUntouched } = surroundings();
const nobody = new AbortController();
const waiting = new Map<string, (end: RawEnd, response: Buffer) => void>();
const servers: NetServer[] = [];
let ids = 0;
let responseLength = 0;

beforeAll(async () => {
  for (const secure of [false, true]) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (tcp) => void answer(tcp, secure));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }
  for (const secure of [false, true]) {
    for (const face of ["connect", "WebSocket"] as const) {
      await converse({ face, secure, kind: "cut", closer: "peer", at: Number.POSITIVE_INFINITY, exact: false });
    }
  }
  await noteState();
});

afterEach(async () => {
  await expectUntouched();
  expect(getEventListeners(nobody.signal, "abort")).toEqual([]);
});

afterAll(() => {
  for (const server of servers) server.close();
});

/** Reads a request and hands the connection to the case that made it, with the response to send. */
async function answer(tcp: Socket, secure: boolean): Promise<void> {
  tcp.on("error", () => {});
  const stream = secure ? tlsOver(tcp, "server", certificates.server) : tcp;
  let received = "";
  // A client whose time was over before it had asked does not end this side.
  const left = () => void tcp.destroy();
  tcp.on("end", left);
  stream.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) return;
    tcp.off("end", left);
    stream.removeAllListeners("data").resume();
    const request = readRequest(received.slice(0, end), Buffer.alloc(0));
    const extensions = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
    const response = Buffer.from(acceptance(request, { "Sec-WebSocket-Extensions": extensions }), "latin1");
    responseLength = response.length;
    const take = waiting.get(request.target);
    if (take) take({ tcp, stream }, response);
    else tcp.destroy();
  });
}

const options = {
  // Those that stall must not wait for one another.
  serialize: false,
  signal: nobody.signal,
  tls: { ca: certificates.ca },
} as const;
/** What stalls ends by a deadline, and nothing else: on a busy machine a short one would come before the strike. */
const deadlines = {
  keepalive: { interval: 1000, timeout: 1000 },
  limits: { closeTimeout: 150, messageIdleTimeout: 1000 },
} as const;

/** Begins to connect; fills in what is seen. */
function begin({ face, closer, kind, secure, at }: Case, url: string, seen: Seen): void {
  // Short only where nothing will come: TLS handshakes cost time, and many go on at once.
  const handshakeTimeout = kind === "stall" && at < responseLength ? (secure ? 1500 : 600) : 20_000;
  const given = { ...options, ...(kind === "stall" && deadlines), handshakeTimeout };
  const note = (data: string | Uint8Array, close: () => void) => {
    seen.messages.push(data);
    if (closer === "tested" && seen.messages.length === script.messages.length) close();
  };
  if (face === "connect") {
    connect(url, {
      ...given,
      message: (connection, data) => note(data, () => connection.close(1000, "done")),
      close: (_, report) => {
        seen.report = report;
      },
    }).then(
      () => void seen.opened++,
      (error) => {
        seen.failure = error;
      },
    );
    return;
  }
  const socket = new WebSocket(url, [], given);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => void seen.opened++;
  socket.onmessage = ({ data }) =>
    note(typeof data === "string" ? data : new Uint8Array(data), () => socket.close(1000, "done"));
  socket.addEventListener("error", ({ error }) => {
    seen.events.push(`error ${socket.readyState}`);
    seen.errorEvent = error as Error;
  });
  socket.addEventListener("close", ({ code, reason, wasClean }) => {
    seen.events.push(`close ${socket.readyState}`);
    seen.closeEvent = { code, reason, wasClean };
  });
}

/** Connects, says what the case says, strikes, and waits for the client to be done with it. */
async function converse(one: Case): Promise<Seen> {
  const path = `/${ids++}`;
  const seen: Seen = { opened: 0, messages: [], events: [] };
  const told = () => `${JSON.stringify(one)}: ${JSON.stringify(seen)}`;
  let asked: [end: RawEnd, response: Buffer] | undefined;
  waiting.set(path, (...given) => {
    asked = given;
  });
  const { port } = servers[one.secure ? 1 : 0]!.address() as AddressInfo;
  begin(one, `${one.secure ? "wss" : "ws"}://127.0.0.1:${port}${path}`, seen);
  const over = () => (seen.failure ?? seen.report ?? seen.closeEvent) !== undefined;
  await eventually(() => asked !== undefined || over(), told);
  waiting.delete(path);
  // On a busy machine the short time of a response that stalls may be over before its request has come.
  if (asked === undefined) return seen;
  const [end, response] = asked;
  const bytes = Buffer.concat([response, script.bytes]).subarray(0, one.at);
  // One that has given up by now, as one may whose response stalls, is no longer known.
  const client = sockets.connecting(end.tcp.localPort!, end.tcp.remotePort!);
  await new Promise((resolve) => (bytes.length > 0 ? end.stream.write(bytes, resolve) : resolve(undefined)));
  if (one.exact) {
    const sent = one.at - response.length;
    if (!one.secure) await eventually(() => client === undefined || client.bytesRead >= one.at || over(), told);
    if (sent >= 0) await eventually(() => seen.opened === 1, told);
    // A `WebSocket` whose Close has come delivers no message after it.
    const due = sent < 0 ? 0 : messagesBy(script, sent).length;
    await eventually(() => seen.messages.length === due, told);
  }
  strike(end, one.kind);
  await eventually(() => client === undefined || client.closed, told);
  await eventually(over, told);
  end.tcp.destroy();
  if (!end.tcp.closed) await once(end.tcp, "close");
  return seen;
}

/** Holds the outcome to the case. */
async function check(one: Case): Promise<Outcome> {
  const seen = await converse(one);
  const { kind, closer, at, exact } = one;
  const sent = at - responseLength;
  const told = `${JSON.stringify(one)}: ${JSON.stringify(seen)} ${seen.failure} ${seen.errorEvent}`;
  if (sent < 0 || (!exact && seen.opened === 0)) {
    expect([seen.opened, seen.messages, seen.report], told).toEqual([0, [], undefined]);
    checkFailure(one, seen.failure ?? seen.errorEvent, told);
    if (one.face === "WebSocket") {
      expect(seen.events, told).toEqual(["error 3", "close 3"]);
      expect(seen.closeEvent, told).toEqual({ code: 1006, reason: "", wasClean: false });
    }
    return "refused";
  }
  expect([seen.opened, seen.failure], told).toEqual([1, undefined]);
  const whole = messagesBy(script, sent);
  expect(seen.messages, told).toEqual(exact ? whole : whole.slice(0, seen.messages.length));
  if (one.face === "connect") {
    checkReport(seen.report!, script, { kind, closer, sent }, exact);
    return seen.report!.wasClean ? "clean" : "broken";
  }
  checkEvents(one, sent, seen, told);
  return seen.closeEvent!.wasClean ? "clean" : "broken";
}

function checkFailure({ kind }: Case, failure: unknown, told: string): void {
  expect(failure, told).toBeInstanceOf(HandshakeError);
  const { rule, message } = failure as HandshakeError;
  if (kind === "stall") expect(rule, told).toBe("timed-out");
  else expect(["connection-failed", "ended-early"], told).toContain(rule);
  // Not "undefined", not a name of a function.
  expect(message, told).toMatch(/^[A-Z].*: .*[^.]$/);
}

/** As browsers do: an end while a Close of ours is under way is no error, every other one that is not clean is. */
function checkEvents({ kind, closer, exact }: Case, sent: number, seen: Seen, told: string): void {
  const { code, reason, wasClean } = seen.closeEvent!;
  if (sent === script.bytes.length && (exact || wasClean)) {
    expect([code, reason, wasClean, seen.events], told).toEqual([1000, "bye", true, ["close 3"]]);
    return;
  }
  expect([code, reason, wasClean], told).toEqual([1006, "", false]);
  const closing = closer === "tested" && seen.messages.length === script.messages.length;
  expect(seen.events, told).toEqual(closing ? ["close 3"] : ["error 3", "close 3"]);
  if (closing) return;
  const stalled = /^Error: The connection was given up: |^ProtocolError: .*did not come in time/;
  const lost = /ECONNRESET|EPIPE|without a Close frame/;
  expect(String(seen.errorEvent), told).toMatch(kind === "stall" ? stalled : lost);
}

/** Every byte of a conversation in which the server closes, and of a Close that answers the client's. */
function allPlaces(face: Case["face"], secure: boolean, kind: Strike, step: number): Case[] {
  const length = responseLength + script.bytes.length;
  const common = { face, secure, kind, exact: true } as const;
  return [
    ...places(0, length, step).map((at) => ({ ...common, closer: "peer", at }) as const),
    ...places(responseLength + script.beforeClose, length).map((at) => ({ ...common, closer: "tested", at }) as const),
  ];
}

describe.each(strikes)("C04, D01, D16: a server whose transport fails: %s", (kind) => {
  for (const [where, step, options] of densities) {
    it(`after ${where} of a conversation with connect and WebSocket`, options, async () => {
      const cases = [...allPlaces("connect", false, kind, step), ...allPlaces("WebSocket", false, kind, step)];
      await expectAllOutcomes(cases, kind, check);
    });

    it(`over TLS, after ${where} and at every byte of the closing handshake`, options, async () => {
      const cases = [...allPlaces("connect", true, kind, 17 * step), ...allPlaces("WebSocket", true, kind, 17 * step)];
      await expectAllOutcomes(cases, kind, check);
    });
  }
});

describe.each(densities)("C04: a server that does not wait for the client to have read", (where, step, options) => {
  it.each<Strike>(["cut", "reset", "halfClose"])(`%s after ${where}`, options, async (kind) => {
    const cases = [...allPlaces("connect", false, kind, step), ...allPlaces("WebSocket", false, kind, step)];
    const counts = await countOutcomes(cases, kind, (one) => check({ ...one, exact: false }));
    expect(counts.refused).toBeGreaterThan(0);
    expect(counts.broken + counts.clean).toBeGreaterThan(0);
  });
});
