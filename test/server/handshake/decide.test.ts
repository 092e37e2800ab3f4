import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { describe as describeValue } from "../../../src/protocol/check-options.ts";
import { accept } from "../../../src/server/accept.ts";
import type { UpgradeContext } from "../../../src/server/handshake/decide.ts";
import type { LogRecord } from "../../../src/server/log.ts";
import type { Route } from "../../../src/server/route.ts";
import { serve } from "../../../src/server/server.ts";
import { answer } from "../../support/asking.ts";
import { gate, until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { httpServer } from "../../support/http-server.ts";
import { exchange, openRaw, parseResponse, readHead, requestText, sendRaw } from "../../support/raw-peer.ts";
import { upgrading } from "../../support/upgrading.ts";
import { frameFrom } from "../../support/wire.ts";

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

const _echo: Route = { message: (connection, data) => void connection.send(data) };
const _text = (payload: string) => frameFrom("client", { opcode: 1, payload });

describe("an application that decides", () => {
  test("a Response refuses with its status, fields and body [R6455-4.2.2-2 G47]", async () => {
    const { port, outcomes } = await upgrading({
      upgrade: async () => new Response("who are you?", { status: 401, headers: { "WWW-Authenticate": "Basic" } }),
    });
    const { status, headers, body } = await answer(port, {});
    expect([status, body]).toEqual([401, "who are you?"]);
    expect(headers.get("www-authenticate")).toBe("Basic");
    expect(headers.get("connection")).toBe("close");
    expect(await outcomes[0]).toBeUndefined();
  });

  test("a Response of another package refuses, too", async () => {
    const foreign = {
      status: 403,
      headers: new Headers(),
      arrayBuffer: async () => new TextEncoder().encode("no").buffer,
    };
    const { port } = await upgrading({ upgrade: () => foreign as never });
    expect(await answer(port, {})).toMatchObject({ status: 403, body: "no" });
  });

  const faults: [title: string, upgrade: Route["upgrade"]][] = [
    [
      "an exception",
      () => {
        throw new Error("secret");
      },
    ],
    ["a rejection", () => Promise.reject(new Error("secret"))],
    ...[undefined, null, false, true, 0, 1, Number.NaN, "", "secret", ["secret"], [], Symbol("secret"), 1n].map(
      (given): [string, Route["upgrade"]] => [`${describeValue(given)} [C19]`, () => given as never],
    ),
    ["a promise of nothing [C19]", async () => undefined as never],
    ["an error [C19]", () => new Error("secret") as never],
    ["a map [C19]", () => new Map([["data", 1]]) as never],
    ["a function [C19]", () => (() => ({})) as never],
    ["what was meant as a refusal", () => ({ status: 401 }) as never],
    ["data without its name", async () => ({ user: 1 }) as never],
    ["a subprotocol that was not offered", () => ({ subprotocol: "secret" })],
    ["a header with a line break [C06]", () => ({ headers: { "X-A": "secret\r\nX-B: 1" } })],
    ["a header name with a line break [C06]", () => ({ headers: { "X-A: secret\r\nX-B": "1" } })],
    ["a header that the handshake owns", () => ({ headers: { "Sec-WebSocket-Accept": "secret" } })],
    ["Response.error()", () => Response.error()],
    [
      "a Response whose body was read",
      async () => {
        const response = new Response("secret");
        await response.text();
        return response;
      },
    ],
    [
      "a Response with a broken body",
      () => new Response(new ReadableStream({ start: (each) => each.error(new Error("secret")) })),
    ],
  ];

  test.each(faults)("%s is 500, told to stderr and not to the client", async (_, decide) => {
    const { port, outcomes } = await upgrading({ upgrade: decide! });
    const answered = await exchange(port, requestText());
    const { status, body } = parseResponse(answered);
    expect([status, body]).toEqual([500, "Cannot open the connection: the server failed\n"]);
    expect(answered).not.toMatch(/secret|X-B/);
    expect(stderr).toHaveBeenCalledTimes(1);
    expect(await outcomes[0]).toBeUndefined();
  });

  test.each(
    [new Response(null, { status: 403 }), "no", {}, 1, undefined, null].map((said) => [describeValue(said), said]),
  )(
    "an `origin` function that returns %s, or a promise of it, lets no client in, and the error says what to return [C19]",
    async (_, said) => {
      for (const origin of [() => said as never, async () => said as never]) {
        stderr.mockClear();
        const { port } = await upgrading({ origin });
        const { status } = await answer(port, {});
        expect([status, String(stderr.mock.calls[0]![1])]).toEqual([
          500,
          expect.stringMatching(/^TypeError: Cannot decide: origin returned .*; return true to let the origin in, or/),
        ]);
      }
    },
  );

  test.each([true, false])(
    "one that awaits is told where its client was though that has left, with bare handles %s",
    async (bareHandles) => {
      const looks = gate();
      const seen: (string | undefined)[] = [];
      const server = await serve({
        host: "127.0.0.1",
        port: 0,
        bareHandles,
        routes: {
          "/": {
            async upgrade(context) {
              await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
              seen.push(context.remoteAddress);
              looks.open();
              return {};
            },
          },
        },
      });
      const peer = await sendRaw(server.port, requestText());
      await until(() => server.metrics().pendingHandshakes === 1);
      peer.reset();
      await looks.opened;
      expect(seen).toEqual(["127.0.0.1"]);
      await server.close();
    },
  );

  test("for an `upgrade` that returns nothing, the log or stderr says what to return, byte by byte as well [C19]", async () => {
    const words =
      "Cannot decide: upgrade returned undefined; return {} to let the client in, or refuse({ status }) or a Response to refuse it";
    const users = new Map([["ada", { name: "Ada" }]]);
    const decide = ({ url }: UpgradeContext) => {
      const user = users.get(url.searchParams.get("user") ?? "");
      return (user && { data: user }) as { data: { name: string } };
    };
    const records: LogRecord[] = [];
    for (const log of [undefined, (record: LogRecord) => void records.push(record)]) {
      const { port } = await httpServer((request, socket, head) => {
        void accept(request, socket, head, { upgrade: decide, ...(log && { log }) });
      });
      for (const chunks of [[requestText()], [...requestText()]]) {
        expect(parseResponse(await exchange(port, ...chunks)).status).toBe(500);
      }
      const peer = await sendRaw(port, requestText({ path: "/?user=ada" }));
      expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
      peer.reset();
    }
    expect(stderr.mock.calls.map(([, error]) => error.message)).toEqual([words, words]);
    expect(
      records.map((record) => record.event === "refused" && [record.reason, (record.error as Error).message]),
    ).toEqual(Array(2).fill(["application-failed", words]));
  });

  test("an object without a prototype, or of another realm, lets the client in", async () => {
    for (const decision of [Object.create(null), runInNewContext("({ data: 1 })")]) {
      const { port, outcomes } = await upgrading({ upgrade: () => decision });
      (await openRaw(port)).reset();
      expect(await outcomes[0]).toBeDefined();
    }
  });

  test("control: where nothing means yes, a client without a user is let in [C19]", async () => {
    const user = undefined as { name: string } | undefined;
    const { port } = await upgrading({ upgrade: async () => (user && { data: user }) ?? {} });
    (await openRaw(port)).reset();
  });

  test("an `upgrade` that takes longer than upgradeTimeout is answered with 503, and its signal aborts [C05]", async () => {
    const reasons: unknown[] = [];
    const { port } = await upgrading({
      limits: { upgradeTimeout: 20 },
      upgrade: ({ signal }) =>
        new Promise((resolve) =>
          signal.addEventListener("abort", () => {
            reasons.push(signal.reason);
            resolve({});
          }),
        ),
    });
    const { status, headers, body } = await answer(port, {});
    expect([status, body]).toEqual([503, "Cannot open the connection: the server took too long to decide\n"]);
    expect(headers.get("retry-after")).toBe("1");
    expect(reasons).toHaveLength(1);
  });

  test("a Response whose body never ends is given up after upgradeTimeout, too", async () => {
    const { port } = await upgrading({
      limits: { upgradeTimeout: 20 },
      upgrade: () => new Response(new ReadableStream()),
    });
    expect((await answer(port, {})).status).toBe(503);
  });

  test("a server that closes while upgrade decides answers 503", async () => {
    const closing = new AbortController();
    const { port, outcomes } = await upgrading({ upgrade: () => new Promise(() => {}) }, closing.signal);
    const peer = await sendRaw(port, requestText());
    await until(() => outcomes.length === 1);
    closing.abort();
    expect(await readHead(peer)).toMatch(/^HTTP\/1.1 503 /);
  });

  test.each(["ends", "resets"])(
    "a client that %s while upgrade decides aborts the signal; nothing is answered or thrown [C04]",
    async (how) => {
      const { opened, open } = gate();
      const signals: AbortSignal[] = [];
      const { port, outcomes, sockets } = await upgrading({
        upgrade: async ({ signal }) => {
          signals.push(signal);
          await opened;
          throw new Error("Nobody is there to be told");
        },
      });
      const peer = await sendRaw(port, requestText());
      await until(() => signals.length === 1);
      if (how === "ends") peer.end();
      else peer.reset();
      await until(() => signals[0]!.aborted);
      expect(signals[0]!.reason).toEqual(new Error("The client left before the handshake was answered"));
      expect(await outcomes[0]).toBeUndefined();
      open();
      await until(() => sockets.size === 0);
      await nextTurn();
      expect(peer.received).toHaveLength(0);
      expect(stderr).not.toHaveBeenCalled();
    },
  );

  test("a stream that cannot be written to any more is given up", async () => {
    const { port, outcomes, sockets } = await upgrading({
      upgrade: ({ request }) => {
        request.socket.end();
        return {};
      },
    });
    await sendRaw(port, requestText());
    await until(() => outcomes.length === 1);
    expect(await outcomes[0]).toBeUndefined();
    await until(() => sockets.size === 0);
  });

  test("survives a reset at any moment, and leaves no listener and no timer behind [C04]", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { port, outcomes, sockets } = await upgrading({
      upgrade: () =>
        nextTurn()
          .then(nextTurn)
          .then(() => ({})),
    });
    for (let i = 0; i < 300; i++) {
      const peer = await sendRaw(port, i % 3 === 0 ? requestText({ method: "POST" }) : requestText());
      for (let turn = 0; turn < i % 5; turn++) await nextTurn();
      peer.reset();
    }
    await until(() => sockets.size === 0);
    const connections = await Promise.all(outcomes);
    for (const connection of connections) await connection?.closed;
    expect(vi.getTimerCount()).toBe(0);
    expect(stderr).not.toHaveBeenCalled();
  });
});
