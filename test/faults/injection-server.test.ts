/**
 * Our server under a raw client whose transport fails after every byte of the opening handshake, of data and of the
 * closing handshake: nothing uncaught, nothing left open, and a report that says what happened (C04, C16, D01, D16).
 */
import { spawn } from "node:child_process";
import { getEventListeners, once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { TLSSocket, connect as tlsConnect } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type CloseReport, type Route, type Server, serve } from "../../src/index.ts";
import { collectGarbage } from "../support/collect-garbage.ts";
import {
  checkReport,
  conversation,
  countOutcomes,
  densities,
  eventually,
  expectAllOutcomes,
  inParallel,
  messagesBy,
  type Outcome,
  places,
  type RawEnd,
  type Strike,
  strike,
  strikes,
  surroundings,
  tlsOver,
  togetherFor,
} from "../support/injection.ts";
import { requestText } from "../support/raw-peer.ts";

/** What the server under test saw of one client. */
interface Seen {
  upgrades: number;
  signal?: AbortSignal;
  opened: number;
  readonly messages: (string | Uint8Array)[];
  readonly errors: Error[];
  report?: CloseReport;
}

/** One strike. */
interface Case {
  readonly target: "own" | "shared" | "tls";
  readonly path: string;
  readonly kind: Strike;
  readonly closer: "peer" | "tested";
  /** Bytes sent, those of the request among them. */
  readonly at: number;
  /** Whether the strike waits until the server has read all that. */
  readonly exact: boolean;
}

const script = conversation("client");
const { certificates, sockets, noteState, expectUntouched } = surroundings();
const seen = new Map<string, Seen>();
const ports = new Map<string, number>();
const servers: Server[] = [];
const shared: HttpServer[] = [];
let ids = 1000;

/** Requests of all clients are of one length. */
const requestFor = (path: string, id: string): Buffer => {
  const headers = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" };
  return Buffer.from(requestText({ path: `${path}/${id}`, headers }), "latin1");
};
const lengthOfRequest = (path: string) => requestFor(path, "1000").length;
const whole = (path: string) => lengthOfRequest(path) + script.bytes.length;

function seenBy(id: string): Seen {
  let entry = seen.get(id);
  if (!entry) {
    entry = { upgrades: 0, opened: 0, messages: [], errors: [] };
    seen.set(id, entry);
  }
  return entry;
}

/** A route that notes what it sees; the side under test closes after the last message when the path says so. */
function noting(closes: boolean): Route<unknown, { id: string }> {
  return {
    open: ({ params }) => void seenBy(params.id).opened++,
    message: (connection, data) => {
      const { messages } = seenBy(connection.params.id);
      messages.push(data);
      if (closes && messages.length === script.messages.length) connection.close(1000, "done");
    },
    close: ({ params }, report) => {
      seenBy(params.id).report = report;
    },
    error: ({ params }, error) => void seenBy(params.id).errors.push(error),
  };
}

function deciding(
  decide: (signal: AbortSignal) => ReturnType<NonNullable<Route["upgrade"]>>,
  rest: Route<unknown, { id: string }> = noting(false),
) {
  return {
    ...rest,
    upgrade: ({ params, signal }: { params: { id: string }; signal: AbortSignal }) => {
      const entry = seenBy(params.id);
      entry.upgrades++;
      entry.signal = signal;
      return decide(signal);
    },
  };
}

const turns = async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  return {};
};

const routes = {
  "/peer/:id": noting(false),
  "/self/:id": noting(true),
  "/late/:id": deciding(turns),
  "/slow/:id": deciding(turns, noting(true)),
  // Decides for the client when nobody is there any more: that must open nothing.
  "/wait/:id": deciding(
    (signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve({}), { once: true })),
  ),
  "/401_/:id": deciding(() => new Response("Who are you?", { status: 401 })),
  "/403_/:id": { ...noting(false), origin: () => false },
};

/**
 * What stalls ends by one deadline each, and only that is short: on a busy machine another would come first. Of the rest,
 * none ends by a deadline.
 */
const limits = {
  none: {},
  handshake: { handshakeTimeout: 1000 },
  upgrade: { upgradeTimeout: 250 },
  open: { closeTimeout: 150, messageIdleTimeout: 1000 },
} as const;
type Deadline = keyof typeof limits;

function deadlineOf({ kind, path, at }: Case): Deadline {
  if (kind !== "stall") return "none";
  if (at < lengthOfRequest(path)) return "handshake";
  return path === "/wait" ? "upgrade" : "open";
}

const portOf = (target: Case["target"], deadline: Deadline) => ports.get(`${target} ${deadline}`)!;

beforeAll(async () => {
  for (const deadline of Object.keys(limits) as Deadline[]) {
    const http = createServer({
      headersTimeout: deadline === "handshake" ? 1000 : 60_000,
      connectionsCheckingInterval: 100,
    });
    http.on("request", (_, response) => response.end());
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    shared.push(http);
    const options = {
      routes,
      compression: true,
      limits: limits[deadline],
      ...(deadline === "open" && { keepalive: { interval: 1000, timeout: 1000 } }),
    } as const;
    const own = await serve({ host: "127.0.0.1", ...options });
    const tls = await serve({ host: "127.0.0.1", tls: certificates.server, ...options });
    servers.push(own, tls, await serve({ server: http, ...options }));
    ports
      .set(`own ${deadline}`, own.port)
      .set(`tls ${deadline}`, tls.port)
      .set(`shared ${deadline}`, (http.address() as AddressInfo).port);
  }
  // A first connection makes what stays for good.
  await tell({ target: "own", path: "/peer", kind: "cut", closer: "peer", at: whole("/peer"), exact: true });
  await noteState(...shared);
});

afterEach(async () => {
  await expectUntouched();
  for (const server of servers) {
    const { connections, pendingHandshakes, opened, closed, bufferedAmount } = server.metrics();
    expect({ connections, pendingHandshakes, bufferedAmount }).toEqual({
      connections: 0,
      pendingHandshakes: 0,
      bufferedAmount: 0,
    });
    expect(Object.values(closed).reduce((sum, count) => sum + count, 0)).toBe(opened);
  }
});

afterAll(async () => {
  for (const server of servers) await server.close();
  for (const http of shared) http.close();
});

/** Says what a case says, strikes, waits for the server to be done with it, and returns what both sides saw. */
async function tell(one: Case): Promise<{ entry: Seen; answer: string }> {
  const id = String(ids++ % 9000).padStart(4, "0");
  seen.delete(id);
  const entry = seenBy(id);
  const request = requestFor(one.path, id);
  const bytes = Buffer.concat([request, script.bytes]).subarray(0, one.at);
  const port = portOf(one.target, deadlineOf(one));
  const tcp = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  tcp.on("error", () => {});
  await once(tcp, "connect");
  const between = [port, tcp.localPort!] as const;
  const end: RawEnd = { tcp, stream: one.target === "tls" ? tlsOver(tcp, "client", { ca: certificates.ca }) : tcp };
  let answer = "";
  let secured = false;
  end.stream.on("secureConnect", () => {
    secured = true;
  });
  end.stream.on("data", (chunk: Buffer) => {
    answer += chunk.toString("latin1");
  });
  const told = () => `${JSON.stringify(one)}: ${JSON.stringify(entry)} ${JSON.stringify(answer)}`;
  // The time of a handshake that will stall may be over before.
  if (end.stream instanceof TLSSocket) await eventually(() => secured || end.stream.destroyed, told);
  await new Promise((resolve) => (bytes.length > 0 ? end.stream.write(bytes, resolve) : resolve(undefined)));
  await eventually(() => sockets.accepted(...between) !== undefined, told);
  const accepted = sockets.accepted(...between)!;
  if (one.exact) {
    const sent = one.at - request.length;
    const due = sent < 0 || /^\/(?:wait|40)/.test(one.path) ? 0 : messagesBy(script, sent).length;
    if (one.target !== "tls") await eventually(() => accepted.bytesRead >= one.at || accepted.closed, told);
    await eventually(() => entry.messages.length === due, told);
    if (sent >= 0 && one.path === "/wait") await eventually(() => entry.upgrades === 1, told);
    if (sent >= 0 && /^\/(?:peer|self|late|slow)$/.test(one.path)) await eventually(() => entry.opened === 1, told);
    if (sent >= 0 && one.path.startsWith("/40")) await eventually(() => answer.includes("\r\n\r\n"), told);
  }
  strike(end, one.kind);
  await eventually(() => accepted.closed, told);
  if (entry.opened > 0) await eventually(() => entry.report !== undefined, told);
  // The signal's listeners are done a moment after the socket is.
  if (entry.signal) await turns();
  sockets.forget(...between);
  tcp.destroy();
  if (!tcp.closed) await once(tcp, "close");
  return { entry, answer };
}

/** Tells a case whose route opens connections, and holds the outcome to it. */
async function checkOpening(one: Case): Promise<Outcome> {
  const { entry, answer } = await tell(one);
  const told = `${JSON.stringify(one)}: ${JSON.stringify(entry)} ${JSON.stringify(answer)}`;
  const sent = one.at - lengthOfRequest(one.path);
  expect(entry.errors, told).toEqual([]);
  if (sent < 0 || (!one.exact && entry.opened === 0)) {
    expect([entry.opened, entry.messages.length, entry.report], told).toEqual([0, 0, undefined]);
    // What is answered to half a request is not a 101.
    if (sent < 0) expect(answer, told).toMatch(/^(?:HTTP\/1\.1 4|$)/);
    return "refused";
  }
  expect(entry.opened, told).toBe(1);
  const whole = messagesBy(script, sent);
  expect(entry.messages, told).toEqual(one.exact ? whole : whole.slice(0, entry.messages.length));
  checkReport(entry.report!, script, { kind: one.kind, closer: one.closer, sent }, one.exact);
  return entry.report!.wasClean ? "clean" : "broken";
}

/** Every byte of a conversation in which the client closes, and of a Close that answers the server's. */
function allPlaces(target: Case["target"], kind: Strike, step: number, paths: readonly [string, string]): Case[] {
  const [peer, tested] = paths;
  const beforeClose = lengthOfRequest(tested) + script.beforeClose;
  return [
    ...places(0, whole(peer), step).map(
      (at) => ({ target, path: peer, kind, closer: "peer", at, exact: true }) as const,
    ),
    ...places(beforeClose, whole(tested)).map(
      (at) => ({ target, path: tested, kind, closer: "tested", at, exact: true }) as const,
    ),
  ];
}

describe.each(strikes)("C04, D01, D16: a client whose transport fails: %s", (kind) => {
  for (const [where, step, options] of densities) {
    it(
      `after ${where} of a conversation with an own listener, and behind an async upgrade on a shared server`,
      options,
      async () => {
        const own = allPlaces("own", kind, step, ["/peer", "/self"]);
        await expectAllOutcomes([...own, ...allPlaces("shared", kind, step, ["/late", "/slow"])], kind, checkOpening);
      },
    );

    it(`over TLS, after ${where} and at every byte of the closing handshake`, options, async () => {
      await expectAllOutcomes(allPlaces("tls", kind, 13 * step, ["/peer", "/self"]), kind, checkOpening);
    });
  }
});

describe.each(densities)("C04: a client that does not wait for the server to have read", (where, step, options) => {
  it.each<Strike>(["cut", "reset", "halfClose"])(`%s after ${where}`, options, async (kind) => {
    const cases = [
      ...allPlaces("own", kind, step, ["/peer", "/self"]),
      ...allPlaces("shared", kind, step, ["/late", "/slow"]),
    ];
    const counts = await countOutcomes(cases, kind, (one) => checkOpening({ ...one, exact: false }));
    expect(counts.refused).toBeGreaterThan(0);
    expect(counts.broken + counts.clean).toBeGreaterThan(0);
  });
});

describe.each(densities)(
  "C04, C16: a client that fails while an async upgrade is undecided",
  (where, step, options) => {
    it.each(strikes)(
      `%s after ${where} of what follows the request: it is told, and nothing opens`,
      options,
      async (kind) => {
        const cases = (["own", "shared", "tls"] as const).flatMap((target) =>
          places(lengthOfRequest("/wait"), whole("/wait"), target === "tls" ? 13 * step : step).map(
            (at) => ({ target, path: "/wait", kind, closer: "peer", at, exact: true }) as const,
          ),
        );
        await inParallel(cases, togetherFor(kind), async (one) => {
          const { entry, answer } = await tell(one);
          const told = `${JSON.stringify(one)}: ${JSON.stringify(entry)} ${JSON.stringify(answer)}`;
          expect([entry.upgrades, entry.opened, entry.messages, entry.errors], told).toEqual([1, 0, [], []]);
          expect(entry.signal!.aborted, told).toBe(true);
          if (kind === "stall") expect(answer, told).toMatch(/^HTTP\/1\.1 503 /);
          else expect([answer, String(entry.signal!.reason)], told).toEqual(["", `Error: ${left}`]);
          expect(getEventListeners(entry.signal!, "abort"), told).toEqual([]);
        });
      },
    );
  },
);

describe.each(densities)("C04: a client that fails after it was refused", (where, step, options) => {
  it.each(strikes)(`%s after ${where} of what follows its request`, options, async (kind) => {
    const refusals = { "/401_": 401, "/403_": 403, "/404_": 404 };
    const cases = (["own", "shared", "tls"] as const).flatMap((target) =>
      Object.keys(refusals).flatMap((path) =>
        places(lengthOfRequest(path), whole(path), step * (target === "tls" ? 23 : 5)).map(
          (at) => ({ target, path, kind, closer: "peer", at, exact: true }) as const,
        ),
      ),
    );
    await inParallel(cases, togetherFor(kind), async (one) => {
      const { entry, answer } = await tell(one);
      const told = `${JSON.stringify(one)}: ${JSON.stringify(entry)} ${JSON.stringify(answer)}`;
      expect([entry.opened, entry.messages, entry.errors], told).toEqual([0, [], []]);
      expect(answer, told).toMatch(new RegExp(`^HTTP/1\\.1 ${refusals[one.path as keyof typeof refusals]} `));
    });
  });
});

describe.each(densities)("C04: a client that fails within the TLS handshake", (where, step, options) => {
  it.each(strikes)(`%s after ${where} of its first flight`, options, async (kind) => {
    const flight = await firstFlight();
    expect(flight.length).toBeGreaterThan(200);
    await inParallel(places(0, flight.length, step), togetherFor(kind), async (at) => {
      const port = portOf("tls", kind === "stall" ? "handshake" : "none");
      const tcp = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      tcp.on("error", () => {}).resume();
      await once(tcp, "connect");
      const between = [port, tcp.localPort!] as const;
      if (at > 0) await new Promise((resolve) => tcp.write(flight.subarray(0, at), resolve));
      await eventually(
        () => sockets.accepted(...between) !== undefined,
        () => `its socket, ${at}`,
      );
      const accepted = sockets.accepted(...between)!;
      strike({ tcp, stream: tcp }, kind);
      await eventually(
        () => accepted.closed,
        () => `the end after ${at} bytes`,
      );
      sockets.forget(...between);
      tcp.destroy();
      if (!tcp.closed) await once(tcp, "close");
    });
  });
});

describe("C04: a thousand resets", () => {
  it.each(["own", "shared"] as const)(
    "while an async upgrade is undecided, %s listener: no crash, no leak",
    { tags: "slow" },
    async (target) => {
      const requests: WeakRef<AbortSignal>[] = [];
      await inParallel(
        Array.from({ length: 1000 }, (_, i) => i),
        50,
        async (i) => {
          // Before the server has read the request, while it is asked, and after it has answered.
          const path = i % 4 === 0 ? "/late" : i % 4 === 1 ? "/401_" : "/wait";
          const at = lengthOfRequest(path) + (i % 3) * 40;
          const { entry } = await tell({ target, path, kind: "reset", closer: "peer", at, exact: i % 2 === 0 });
          expect(entry.errors).toEqual([]);
          if (path === "/wait") expect(entry.opened).toBe(0);
          if (entry.signal) requests.push(new WeakRef(entry.signal));
          delete entry.signal;
        },
      );
      expect(requests.length).toBeGreaterThan(500);
      await eventually(
        () => collect() && requests.filter((signal) => signal.deref() !== undefined).length < 10,
        () => `${requests.filter((signal) => signal.deref() !== undefined).length} of their signals to be collected`,
      );
    },
  );
});

describe("the control", () => {
  it.each(["undecided", "refused"])(
    "C04: a plain upgrade handler without an error listener dies of the reset, %s",
    async (how) => {
      const answer = how === "refused" ? 'socket.write("HTTP/1.1 401 Unauthorized\\r\\n\\r\\n");' : "";
      const program = `
      const http = require("node:http").createServer();
      http.on("upgrade", (request, socket) => { ${answer} process.stdout.write("asked"); });
      http.listen(0, "127.0.0.1", () => process.stdout.write(http.address().port + "\\n"));
      setTimeout(() => process.exit(0), 8000);`;
      const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "pipe"] });
      let printed = "";
      let complained = "";
      child.stdout.on("data", (chunk) => (printed += chunk));
      child.stderr.on("data", (chunk) => (complained += chunk));
      const exited = once(child, "exit");
      await eventually(
        () => printed.includes("\n"),
        () => `a port: ${complained}`,
      );
      const tcp = connect({ port: Number.parseInt(printed, 10), host: "127.0.0.1", allowHalfOpen: true });
      await once(tcp, "connect");
      tcp.write(requestText());
      await eventually(
        () => printed.endsWith("asked"),
        () => `the handler: ${complained}`,
      );
      strike({ tcp, stream: tcp }, "reset");
      expect(await exited).toEqual([1, null]);
      expect(complained).toMatch(/ECONNRESET/);
    },
  );
});

const left = "The client left before the handshake was answered";

/** Collects garbage. */
const collect = () => {
  collectGarbage();
  return true;
};

/** What a TLS client sends before it is answered. */
async function firstFlight(): Promise<Buffer> {
  const listener = createTcpServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = tlsConnect({
    port: (listener.address() as AddressInfo).port,
    host: "127.0.0.1",
    servername: "localhost",
  });
  client.on("error", () => {});
  const [socket] = (await once(listener, "connection")) as [Socket];
  const [flight] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  listener.close();
  await once(listener, "close");
  return flight;
}
