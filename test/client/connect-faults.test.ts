/**
 * A client behind a network that fails, at every byte of the handshake, of data and of the closing handshake, in both
 * directions: an error or a report that says what happened, nothing uncaught, nothing left open (D01, D02, D16).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CloseReport, connect, HandshakeError, type Server, serve } from "../../src/index.ts";
import { makeCertificates } from "../support/certificates.ts";
import { type Fault, type Faults, type FaultyProxy, faultyProxy } from "../support/faulty-proxy.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";

/** The number of conversations that run at once. */
const together = 16;
/** The time that the client waits in cases that only time ends, in milliseconds. */
interface Patience {
  readonly opening: number;
  readonly open: number;
}
/** The patience of a case: short where nothing will come, longer where bytes may be on their way, without end where they are. */
const short = 80;
const long = 2000;
const asLongAsItTakes = 60_000;
/** The difference between two conversations over TLS in bytes: signatures vary, and the last record is optional. */
const tlsSlack = 48;

const certificates = makeCertificates();
const messages = ["text", new Uint8Array(126).fill(7)] as const;
const servers = new Map<string, Server>();

leavesNothing();

beforeAll(async () => {
  for (const scheme of ["ws", "wss"]) {
    const server = await serve({
      port: 0,
      host: "127.0.0.1",
      ...(scheme === "wss" && { tls: { ...certificates.server } }),
      routes: { "/": { message: (connection, data) => void connection.send(data) } },
    });
    servers.set(scheme, server);
  }
});
afterAll(async () => {
  for (const server of servers.values()) await server.close();
  certificates.remove();
});

/** The course of a conversation. */
interface Outcome {
  readonly error?: unknown;
  readonly report?: CloseReport;
  /** The number of messages that came back. */
  readonly received: number;
  readonly passed: FaultyProxy["passed"];
}

/** Connects through the faults, has two messages echoed and closes; without an answer, it closes after its patience. */
async function converse(scheme: string, faults: Faults, patience?: Patience): Promise<Outcome> {
  const proxy = await faultyProxy(servers.get(scheme)!.port, faults);
  let received = 0;
  try {
    const connection = await connect(`${scheme}://127.0.0.1:${proxy.port}/`, {
      compression: false,
      tls: { ca: certificates.ca, minVersion: "TLSv1.3" },
      ...(patience && { handshakeTimeout: patience.opening, limits: { closeTimeout: patience.open } }),
    });
    const timer = patience && setTimeout(() => connection.close(), patience.open);
    for (const message of messages) connection.send(message);
    for await (const data of connection) {
      expect(data).toEqual(messages[received]);
      if (++received === messages.length) break;
    }
    clearTimeout(timer);
    connection.close();
    return { report: await connection.closed, received, passed: { ...proxy.passed } };
  } catch (error) {
    return { error, received, passed: { ...proxy.passed } };
  } finally {
    await proxy.close();
  }
}

/** Runs the cases, several at a time. */
async function each<Case>(cases: readonly Case[], run: (one: Case) => Promise<void>): Promise<void> {
  let at = 0;
  const worker = async () => {
    while (at < cases.length) await run(cases[at++]!);
  };
  await Promise.all(Array.from({ length: together }, worker));
}

/** The expected outcome of a case, by the place of the fault in the conversation. */
function check(
  name: string,
  fault: Fault & { at: number },
  outcome: Outcome,
  { opensAfter, whole, slack }: Lengths,
): void {
  const { report, error, received } = outcome;
  const told = `${name} ${JSON.stringify(fault)}: ${error ?? JSON.stringify(report)} ${report?.error ?? ""}`;
  if (error !== undefined) {
    expect(error, told).toBeInstanceOf(HandshakeError);
    const rule = (error as HandshakeError).rule;
    if (fault.kind === "stall") expect(rule, told).toBe("timed-out");
    // A server may still answer the end of half a request.
    else expect(["connection-failed", "tls-failed", "ended-early", "status-not-101"], told).toContain(rule);
    expect(fault.at, told).toBeLessThanOrEqual(opensAfter + slack);
    return;
  }
  expect(fault.at, told).toBeGreaterThanOrEqual(opensAfter - slack);
  if (report!.wasClean) {
    expect([report!.code, received], told).toEqual([1000, messages.length]);
    expect(fault.at, told).toBeGreaterThanOrEqual(whole - slack);
    return;
  }
  expect(report, told).toMatchObject({ code: 1006, reason: "" });
  expect(report!.received, told).toBeUndefined();
  expect(report!.initiator, told).toBe(report!.sent ? "local" : "transport");
  expect(report!.phase, told).toBe(report!.sent ? "closing" : "open");
  // Right behind bytes, the runtime takes a reset for the end of the stream.
  const lost = /ECONNRESET|EPIPE|The peer ended the stream without a Close frame/;
  if (fault.kind !== "stall") expect(String(report!.error), told).toMatch(lost);
  expect(fault.at, told).toBeLessThanOrEqual(whole + slack);
}

describe.each(["ws", "wss"])("%s", (scheme) => {
  it.each<[string, Fault]>([
    ["late", { kind: "delay", ms: 5 }],
    ["slowly", { kind: "throttle", bytes: 40, ms: 1 }],
    ["one byte at a time", { kind: "throttle", bytes: 1, ms: 0 }],
  ])("loses nothing when bytes come %s", async (_, fault) => {
    const { report, received } = await converse(scheme, { toServer: fault, toClient: fault });
    expect(received).toBe(messages.length);
    expect(report).toMatchObject({ code: 1000, wasClean: true, initiator: "local" });
  });

  const faults = (["toServer", "toClient"] as const).flatMap((direction) =>
    (["stall", "halfClose", "reset"] as const).map((kind) => [direction, kind] as const),
  );
  // TLS has ten times the bytes and most of the costs: a prime step visits every record, header and tag.
  const some = scheme === "ws" ? 11 : 97;

  it.each(faults)(`reports the cause when bytes %s %s, at every ${some}th byte`, async (direction, kind) => {
    await failAtEvery(some, direction, kind);
  });

  it.each(faults)(
    "reports the cause when bytes %s %s, at every byte",
    { tags: "slow", timeout: 300_000 },
    async (direction, kind) => {
      await failAtEvery(scheme === "ws" || process.env.CI ? 1 : 29, direction, kind);
    },
  );

  async function failAtEvery(
    step: number,
    direction: keyof Faults,
    kind: Fault["kind"] & ("stall" | "halfClose" | "reset"),
  ): Promise<void> {
    const lengths = await measure(scheme, direction);
    const cases: number[] = [];
    for (let at = 0; at <= lengths.whole; at += step) cases.push(at);
    const phases = { refused: 0, broken: 0, clean: 0 };
    await each(cases, async (at) => {
      const fault = { kind, at };
      const { opensAfter, slack } = lengths;
      const patience = {
        opening: at < opensAfter - slack ? short : at > opensAfter + slack ? asLongAsItTakes : long,
        open: at < lengths.whole - lengths.slack ? short : long,
      };
      const outcome = await converse(scheme, { [direction]: fault }, kind === "stall" ? patience : undefined);
      check(`${scheme} ${direction}`, fault, outcome, lengths);
      if (outcome.error) phases.refused++;
      else if (outcome.report!.wasClean) phases.clean++;
      else phases.broken++;
    });
    expect(phases.refused + phases.broken + phases.clean).toBe(cases.length);
    expect(phases.refused).toBeGreaterThan(0);
    expect(phases.broken).toBeGreaterThan(0);
  }
});

/** The approximate number of bytes of a direction, for the handshake and for the whole conversation. */
interface Lengths {
  readonly opensAfter: number;
  readonly whole: number;
  readonly slack: number;
}

async function measure(scheme: string, direction: keyof Faults): Promise<Lengths> {
  const server = servers.get(scheme)!;
  const proxy = await faultyProxy(server.port);
  const connection = await connect(`${scheme}://127.0.0.1:${proxy.port}/`, {
    compression: false,
    tls: { ca: certificates.ca, minVersion: "TLSv1.3" },
  });
  const opensAfter = proxy.passed[direction];
  connection.terminate();
  await connection.closed;
  await proxy.close();
  const { passed } = await converse(scheme, {});
  return { opensAfter, whole: passed[direction], slack: scheme === "wss" ? tlsSlack : 0 };
}

describe("a server that falls silent [D02]", () => {
  it("is given up by the client's Pings, as the report says", async () => {
    const server = servers.get("ws")!;
    const { opensAfter } = await measure("ws", "toClient");
    const proxy = await faultyProxy(server.port, { toClient: { kind: "stall", at: opensAfter } });
    const keepalive = { interval: 1000, timeout: 1000 };
    const connection = await connect(`ws://127.0.0.1:${proxy.port}/`, { compression: false, keepalive });
    const report = await connection.closed;
    expect(report).toMatchObject({ code: 1006, wasClean: false, initiator: "transport", phase: "open" });
    expect(report.error?.message).toMatch(
      /^The connection was given up: the peer was silent for \d+ ms and did not answer a Ping$/,
    );
    await proxy.close();
  });
});
