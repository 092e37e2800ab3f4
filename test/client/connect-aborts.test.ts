/** Opening handshakes that end without a response: the transport fails, the time is over, or the caller gives them up. */
import { getEventListeners, once } from "node:events";
import { createServer } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type ConnectOptions, connect, type HandshakeError } from "../../src/index.ts";
import { until } from "../support/connection-pair.ts";
import { failsWith } from "../support/failing-answers.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../support/outcomes.ts";
import { type Answer, acceptance, rawServer } from "../support/raw-server.ts";
import { serversOfFile } from "../support/servers-of-file.ts";

leavesNothing();
afterEach(() => {
  vi.useRealTimers();
});
const { serveRaw } = serversOfFile();

describe("a transport that fails", () => {
  it("fails with connection-failed where nothing listens, by name and by address [R6455-4.1-6]", async () => {
    const vacant = createServer().listen(0, "127.0.0.1");
    await once(vacant, "listening");
    const { port } = vacant.address() as { port: number };
    vacant.close();
    for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
      const error = await handshakeErrorOf(connect(`ws://${host}:${port}/`));
      expect(error.rule).toBe("connection-failed");
      expect(error.message).toMatch(/: the server cannot be reached: .*(?:ECONNREFUSED|EADDRNOTAVAIL)/);
      if (error.message.includes("REFUSED"))
        expect(error.message).toMatch(/nothing listens at (?:127.0.0.1|\[::1\]):\d+/);
    }
  });

  it("fails with connection-failed where the name does not resolve", async () => {
    const error = await handshakeErrorOf(connect("ws://nowhere.invalid/"));
    expect(error.rule).toBe("connection-failed");
    expect(error.message).toMatch(
      /cannot be reached: (?:there is no address of the name|getaddrinfo EAI_AGAIN) nowhere\.invalid/,
    );
  });

  it.each<[string, Answer]>([
    ["at once", (_, socket) => void socket.end()],
    ["inside the head", (_, socket) => void socket.end("HTTP/1.1 101 Switch")],
    ["after an informational response", (_, socket) => void socket.end("HTTP/1.1 103 Early Hints\r\n\r\n")],
  ])("fails with ended-early when the server ends %s", async (_, answer) => {
    await failsWith("ended-early", answer);
  });

  it("fails with ended-early and the socket's error when the server resets", async () => {
    const error = await failsWith("ended-early", (_, socket) => void socket.resetAndDestroy());
    expect(error.cause).toMatchObject({ code: "ECONNRESET" });
  });

  it("fails with connection-failed when createConnection throws, rejects or gives a stream that breaks", async () => {
    const ways: ConnectOptions["createConnection"][] = [
      () => {
        throw new Error("No way");
      },
      () => Promise.reject(new Error("No way")),
    ];
    for (const createConnection of ways) {
      const error = await handshakeErrorOf(connect("ws://server.test/", { createConnection: createConnection! }));
      expect([error.rule, error.message]).toEqual([
        "connection-failed",
        "Cannot open the connection to ws://server.test/: the server cannot be reached: No way",
      ]);
    }
  });

  it.each([
    ["with nothing", undefined, ""],
    ["with null", null, ""],
    ["with a string", "No way", ": No way"],
    ["with a DOMException, whose code is a number", new DOMException("No way", "AbortError"), ": No way"],
    ["with an error whose `errors` are no list", Object.assign(new Error("No way"), { errors: {} }), ": No way"],
  ])("fails with connection-failed when createConnection rejects %s", async (_, cause, detail) => {
    const createConnection = () => Promise.reject(cause);
    const error = await handshakeErrorOf(connect("ws://server.test/", { createConnection }));
    expect([error.rule, error.message, error.cause]).toEqual([
      "connection-failed",
      `Cannot open the connection to ws://server.test/: the server cannot be reached${detail}`,
      cause,
    ]);
  });

  it.each([undefined, null, {}, "a stream"])("says so when createConnection gives no stream but %j", async (given) => {
    const createConnection = () => given as never;
    const error = await handshakeErrorOf(connect("ws://server.test/", { createConnection }));
    expect(error.rule).toBe("connection-failed");
    expect(error.message).toContain(": createConnection has to return a Duplex stream, or a promise of one, not ");
  });

  it("fails with ended-early when the stream of createConnection throws as the request is written", async () => {
    const cause = new Error("No room");
    const stream = new Duplex({
      read: () => {},
      write: () => {
        throw cause;
      },
    });
    const error = await handshakeErrorOf(connect("ws://server.test/", { createConnection: () => stream }));
    expect([error.rule, error.cause, stream.destroyed]).toEqual(["ended-early", cause, true]);
    expect(error.message).toMatch(/: No room$/);
  });
});

describe("time and abort", () => {
  const silent: Answer = () => undefined;

  it("fails with timed-out when no answer comes, each handshake after its own time [G56 G98]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const server = await rawServer(silent);
    const url = `ws://127.0.0.1:${server.port}/`;
    const attempts = [0, 1].map(() => handshakeErrorOf(connect(url, { handshakeTimeout: 50 })));
    for (const [i, attempt] of attempts.entries()) {
      await until(() => server.requests.length === i + 1);
      vi.advanceTimersByTime(50);
      expect((await attempt).message).toBe(
        `Cannot open the connection to ${url}: the server did not answer in time: it had 50 ms, up to the response`,
      );
    }
    await server.close();
  });

  /** The error of a handshake whose time is over once `reached` holds. */
  async function timedOut(url: string, options: ConnectOptions, reached: () => boolean): Promise<HandshakeError> {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const attempt = handshakeErrorOf(connect(url, { ...options, handshakeTimeout: 30 }));
    await until(reached);
    vi.advanceTimersByTime(30);
    return attempt;
  }

  const never = new Promise<never>(() => {});
  it.each<[string, (waits: () => Promise<never>) => ConnectOptions]>([
    ["the choice of a proxy", (waits) => ({ proxy: waits })],
    ["the stream of createConnection", (waits) => ({ createConnection: waits })],
    ["the cookie jar", (waits) => ({ cookieJar: { getCookieString: waits, setCookie: () => undefined } })],
    ["the cookie jar", (waits) => ({ cookieJar: { getCookieString: () => "", setCookie: waits } })],
  ])("fails with timed-out and says that it waited for %s", async (step, options) => {
    const server = await serveRaw((request) => acceptance(request, { "Set-Cookie": "a=b" }));
    let waiting = false;
    const waits = () => {
      waiting = true;
      return never;
    };
    const error = await timedOut(`ws://127.0.0.1:${server.port}/`, options(waits), () => waiting);
    expect([error.rule, error.message]).toEqual(["timed-out", expect.stringMatching(new RegExp(`, up to ${step}$`))]);
  });

  it("fails with timed-out and says that it waited for the TLS handshake or the proxy's tunnel", async () => {
    const server = await serveRaw(silent);
    const asked = () => [...server.sockets].some(({ bytesRead }) => bytesRead > 0);
    const tls = await timedOut(`wss://127.0.0.1:${server.port}/`, {}, asked);
    expect(tls.message).toMatch(/, up to the TLS handshake$/);
    const proxy = `http://127.0.0.1:${server.port}`;
    const tunnel = await timedOut("ws://server.test/", { proxy }, () => server.requests.length === 1);
    expect(tunnel.message).toMatch(/, up to the proxy's tunnel$/);
  });

  it("has no limit of time with Infinity", async () => {
    const server = await serveRaw((request, socket) => {
      setTimeout(() => socket.write(acceptance(request)), 20);
      return undefined;
    });
    const url = `ws://127.0.0.1:${server.port}/`;
    (await connect(url, { handshakeTimeout: Number.POSITIVE_INFINITY })).terminate();
  });

  it("fails with timed-out when one early hint follows another for ever", async () => {
    const server = await serveRaw((_, socket) => {
      const timer = setInterval(() => socket.write("HTTP/1.1 103 Early Hints\r\n\r\n"), 5);
      socket.on("close", () => clearInterval(timer));
      return undefined;
    });
    const error = await handshakeErrorOf(connect(`ws://127.0.0.1:${server.port}/`, { handshakeTimeout: 60 }));
    expect(error.rule).toBe("timed-out");
  });

  it("rejects with the reason of a signal that has aborted, without connecting", async () => {
    const server = await serveRaw(silent);
    const reason = new Error("Not now");
    await expect(connect(`ws://127.0.0.1:${server.port}/`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(connect(`ws://127.0.0.1:${server.port}/`, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(server.accepted).toBe(0);
  });

  it("rejects with the signal's reason at whatever moment it aborts, and closes [R6455-7.2.2-1 G64]", async () => {
    const server = await rawServer((request) => acceptance(request));
    const outcomes = new Set<string>();
    for (let ticks = 0; !outcomes.has("open"); ticks++) {
      const abort = new AbortController();
      const pending = connect(`ws://localhost:${server.port}/`, { signal: abort.signal }).then(
        (connection) => {
          connection.terminate();
          return "open";
        },
        (error: unknown) => (error === abort.signal.reason ? "aborted" : error),
      );
      for (let tick = 0; tick < ticks; tick++) await (tick % 2 ? new Promise(setImmediate) : Promise.resolve());
      abort.abort();
      outcomes.add(String(await pending));
    }
    expect([...outcomes].sort()).toEqual(["aborted", "open"]);
    await server.close();
  });

  it("rejects at once while functions of the caller are still at work, and destroys a stream that comes too late", async () => {
    const server = await serveRaw((request) => acceptance(request, { "Set-Cookie": "a=b" }));
    const waits: ConnectOptions[] = [
      { proxy: () => never },
      { createConnection: () => never },
      { cookieJar: { getCookieString: () => never, setCookie: () => undefined } },
      { cookieJar: { getCookieString: () => "", setCookie: () => never } },
    ];
    for (const options of waits) {
      const abort = new AbortController();
      const pending = connect(`ws://127.0.0.1:${server.port}/`, { ...options, signal: abort.signal });
      abort.abort("enough");
      await expect(pending).rejects.toBe("enough");
    }
  });

  it("destroys a stream that the caller makes after the end", async () => {
    const abort = new AbortController();
    let give: (stream: PassThrough) => void = () => {};
    const createConnection = () =>
      new Promise<PassThrough>((resolve) => {
        give = resolve;
      });
    const pending = connect("ws://server.test/", { createConnection, signal: abort.signal });
    await new Promise(setImmediate);
    abort.abort("enough");
    await expect(pending).rejects.toBe("enough");
    const late = new PassThrough();
    give(late);
    await new Promise(setImmediate);
    expect(late.destroyed).toBe(true);
  });

  it("lets many connections share a signal and leaves no listener on it", async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error) => warnings.push(warning);
    process.on("warning", warn);
    const server = await serveRaw((request) => acceptance(request));
    const { signal } = new AbortController();
    const url = `ws://127.0.0.1:${server.port}/`;
    const connections = await Promise.all(Array.from({ length: 20 }, () => connect(url, { signal })));
    for (const connection of connections) connection.terminate();
    await new Promise(setImmediate);
    process.off("warning", warn);
    expect(warnings).toEqual([]);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("has no effect once the connection is open", async () => {
    const server = await serveRaw((request) => acceptance(request));
    const abort = new AbortController();
    const connection = await connect(`ws://127.0.0.1:${server.port}/`, { signal: abort.signal });
    abort.abort();
    await new Promise(setImmediate);
    expect(connection.readyState).toBe(1);
    connection.terminate();
  });
});
