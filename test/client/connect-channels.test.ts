/** The messages of the channels about opening handshakes of every kind and end. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { connect as netConnect, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import {
  type ConnectAttempt,
  type ConnectStep,
  ConnectTrace,
  connectChannels,
} from "../../src/client/connect-channels.ts";
import { type Connection, type ConnectOptions, connect } from "../../src/index.ts";
import { makeCertificates } from "../support/certificates.ts";
import { type Answer, acceptance, type RawServer, rawServer } from "../support/raw-server.ts";

const certificates = makeCertificates();
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});
afterAll(() => certificates.remove());

interface Told {
  readonly step: string;
  readonly attempt: ConnectAttempt;
  readonly [detail: string]: unknown;
}

/** Subscribes to every channel until the test is over. */
function listen(): Told[] {
  const told: Told[] = [];
  for (const [step, { name }] of Object.entries(connectChannels)) {
    const listener = (message: unknown) => told.push({ ...(message as Told), step });
    subscribe(name, listener);
    cleanups.push(() => unsubscribe(name, listener));
  }
  return told;
}

async function serve(...args: Parameters<typeof rawServer>): Promise<RawServer> {
  const server = await rawServer(...args);
  cleanups.push(() => server.close());
  return server;
}

async function connected(url: string, options?: ConnectOptions): Promise<Connection> {
  const connection = await connect(url, options);
  cleanups.push(() => connection.terminate());
  return connection;
}

const accept: Answer = (request) => acceptance(request);
const steps = (told: readonly Told[]) => told.map(({ step }) => step);

/** Expects messages of one handshake, each step later than the one before it. */
function expectOneAttempt(told: readonly Told[]): ConnectAttempt {
  const attempt = told[0]!.attempt;
  for (const one of told) expect(one.attempt).toBe(attempt);
  expect(Object.keys(attempt.times)).toEqual(steps(told));
  const times = Object.values(attempt.times);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  return attempt;
}

describe("the channels [G64]", () => {
  it("have these names", () => {
    const names = Object.entries(connectChannels).map(([step, { name }]) => [step, name]);
    const all: ConnectStep[] = ["start", "socket", "secure", "response", "open", "failed"];
    expect(names).toEqual(all.map((step) => [step, `openline:connect:${step}`]));
  });

  it("publish the steps over plain TCP, without the credentials of the URL", async () => {
    const server = await serve(accept);
    const told = listen();
    const connection = await connected(`ws://user:secret@127.0.0.1:${server.port}/path?query`);
    expect(steps(told)).toEqual(["start", "socket", "response", "open"]);
    expect(expectOneAttempt(told).url).toBe(`ws://127.0.0.1:${server.port}/path?query`);
    expect((told[1]!.socket as Socket).constructor.name).toBe("Socket");
    expect(told[2]!.response).toMatchObject({ status: 101, httpVersion: "1.1" });
    expect(told[3]!.connection).toBe(connection);
  });

  it("publish the step of TCP before that of TLS over it", async () => {
    const server = await serve(accept, { tls: certificates.server });
    const told = listen();
    await connected(`wss://localhost:${server.port}/`, { tls: { ca: certificates.ca } });
    expect(steps(told)).toEqual(["start", "socket", "secure", "response", "open"]);
    expectOneAttempt(told);
    expect(told[1]!.socket).not.toBeInstanceOf(TLSSocket);
    expect((told[2]!.socket as TLSSocket).authorized).toBe(true);
  });

  it("publish the socket when its tunnel is open", async () => {
    const server = await serve(accept);
    let tunnels = 0;
    const proxy = await serve((request, socket) => {
      const onward = netConnect(Number(request.target.split(":")[1]), "127.0.0.1", () => {
        tunnels++;
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      return undefined;
    });
    const told = listen();
    let atSocket: number | undefined;
    const look = () => {
      atSocket = tunnels;
    };
    subscribe(connectChannels.socket.name, look);
    cleanups.push(() => unsubscribe(connectChannels.socket.name, look));
    await connected(`ws://server.test:${server.port}/`, { proxy: `http://127.0.0.1:${proxy.port}` });
    expect(steps(told)).toEqual(["start", "socket", "response", "open"]);
    expect(atSocket).toBe(1);
  });

  it("publish the last step of a failed handshake, and its error", async () => {
    const refusing = await serve(() => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    const gone = await rawServer(accept);
    await gone.close();
    const told = listen();
    const refused = await connect(`ws://127.0.0.1:${refusing.port}/`).catch((error: unknown) => error);
    expect(steps(told)).toEqual(["start", "socket", "response", "failed"]);
    expectOneAttempt(told);
    expect(told[3]!.error).toBe(refused);
    told.length = 0;
    const unreachable = await connect(`ws://127.0.0.1:${gone.port}/`).catch((error: unknown) => error);
    expect(steps(told)).toEqual(["start", "failed"]);
    expect(told[1]!.error).toBe(unreachable);
  });

  it("publish an abort with the signal's reason", async () => {
    const silent = await serve(() => undefined);
    const abort = new AbortController();
    const told = listen();
    const pending = connect(`ws://127.0.0.1:${silent.port}/`, { signal: abort.signal });
    abort.abort("enough");
    await expect(pending).rejects.toBe("enough");
    expect(told.at(-1)).toMatchObject({ step: "failed", error: "enough" });
  });

  it("publish a redirect as another handshake", async () => {
    const server = await serve(accept);
    const first = await serve(() => `HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:${server.port}/there\r\n\r\n`);
    const told = listen();
    await connected(`ws://127.0.0.1:${first.port}/`, { followRedirects: 1 });
    const second = steps(told).lastIndexOf("start");
    expect(steps(told.slice(0, second))).toEqual(["start", "socket", "response"]);
    expect(steps(told.slice(second))).toEqual(["start", "socket", "response", "open"]);
    expect(expectOneAttempt(told.slice(0, second)).url).toBe(`ws://127.0.0.1:${first.port}/`);
    expect(expectOneAttempt(told.slice(second)).url).toBe(`ws://127.0.0.1:${server.port}/there`);
  });

  it("publish nothing of a handshake that began without a subscriber", async () => {
    const trace = new ConnectTrace(new URL("ws://server.test/"));
    const told = listen();
    trace.reached("open", undefined);
    expect(told).toEqual([]);
  });
});
