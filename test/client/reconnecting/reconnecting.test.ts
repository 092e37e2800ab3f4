import { describe, expect, test } from "vitest";
import { reconnecting } from "../../../src/client/reconnecting/reconnecting.ts";
import type { End } from "../../../src/reconnecting/policy/attempt.ts";
import { ReconnectError } from "../../../src/reconnecting/reconnect-error.ts";
import type { Server } from "../../../src/server/server.ts";
import { numberedServer, resumeStub } from "../../reconnecting/numbered-server.ts";
import { randomFrom } from "../../reconnecting/simulation.ts";
import { serving } from "../../support/serving.ts";

/** Short waits, for servers that are back at once. */
const soon = { firstDelay: 5, maxDelay: 20 };

const urlOf = ({ port }: Server) => `ws://127.0.0.1:${port}/`;

/** What the loop over the connections throws. */
async function thrownBy(connections: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const _ of connections);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("rounds", () => {
  test("each is a connection of its own, which ends when the server ends it, is coming round, or is left", async () => {
    const codes: number[] = [];
    let done: () => void;
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    const server = await serving({
      port: 0,
      routes: {
        "/": {
          message: (connection, data) => {
            if (data === "kill") connection.terminate();
            else connection.send(`echo ${data}`);
          },
          close: (_, { code }) => {
            if (codes.push(code) === 3) done();
          },
        },
      },
    });
    const got: unknown[] = [];
    let round = 0;
    for await (const connection of reconnecting(urlOf(server), { reconnect: soon })) {
      round++;
      connection.send(String(round));
      if (round === 1) connection.send("kill");
      for await (const data of connection) {
        got.push(data);
        if (round > 1) break;
      }
      if (round === 3) break;
    }
    await all;
    expect(got).toEqual(["echo 1", "echo 2", "echo 3"].slice(got.length === 3 ? 0 : 1));
    expect(codes).toEqual([1006, 1000, 1000]);
  });

  test("each loop over the same iterable begins anew", async () => {
    const server = await serving({ port: 0, routes: { "/": {} } });
    const connections = reconnecting(urlOf(server), { reconnect: soon });
    const seen = new Set<unknown>();
    for (let loop = 0; loop < 2; loop++) {
      for await (const connection of connections) {
        seen.add(connection);
        break;
      }
    }
    expect(seen.size).toBe(2);
  });

  test("nothing is dialled before the loop begins", async () => {
    const server = await serving({ port: 0, routes: { "/": {} } });
    reconnecting(urlOf(server));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.connections.size).toBe(0);
  });

  test("handlers of connect work in each of them", async () => {
    const server = await serving({ port: 0, routes: { "/": { open: (connection) => void connection.send("hello") } } });
    const got: string[] = [];
    let round = 0;
    const message = (_: unknown, data: string) => void got.push(data);
    for await (const connection of reconnecting(urlOf(server), { reconnect: soon, accepts: "text", message })) {
      while (got.length <= round) await new Promise((resolve) => setTimeout(resolve, 1));
      if (++round === 2) break;
      void connection;
    }
    expect(got).toEqual(["hello", "hello"]);
  });

  test("an exception in the body closes the connection", async () => {
    const server = await serving({ port: 0, routes: { "/": {} } });
    const loop = async () => {
      for await (const _ of reconnecting(urlOf(server))) throw new Error("mine");
    };
    await expect(loop()).rejects.toThrow("mine");
    while (server.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });
});

describe("providers", () => {
  test("of url, headers and subprotocols are asked before each attempt, and see how the last one ended", async () => {
    const seen: unknown[] = [];
    const server = await serving({
      port: 0,
      routes: {
        "/:number": {
          subprotocols: ["v1", "v2"],
          upgrade: ({ params, request }) => {
            seen.push([params.number, request.headers["x-number"], request.headers["sec-websocket-protocol"]]);
            return {};
          },
          open: (connection) => connection.close(4001, "again"),
        },
      },
    });
    const lasts: unknown[] = [];
    const connections = reconnecting(({ number }) => `${urlOf(server)}${number}`, {
      reconnect: soon,
      headers: ({ number, last }) => {
        lasts.push(last && [last.code, last.reason, last.opened]);
        return { "X-Number": String(number) };
      },
      subprotocols: async ({ number }) => [`v${number}`],
    });
    let round = 0;
    for await (const connection of connections) {
      expect(connection.subprotocol).toBe(`v${++round}`);
      await connection.closed;
      if (round === 2) break;
    }
    expect(seen).toEqual([
      ["1", "1", "v1"],
      ["2", "2", "v2"],
    ]);
    expect(lasts).toEqual([undefined, [4001, "again", true]]);
  });

  test("one that throws fails its attempt", async () => {
    const server = await serving({ port: 0, routes: { "/": {} } });
    let asked = 0;
    const url = () => {
      if (++asked < 3) throw new Error("not yet");
      return urlOf(server);
    };
    for await (const _ of reconnecting(url, { reconnect: soon })) break;
    expect(asked).toBe(3);
  });
});

describe("the end", () => {
  test("a refusal for good throws a ReconnectError with the end and the cause", async () => {
    const server = await serving({ port: 0, routes: { "/": { upgrade: () => new Response("", { status: 403 }) } } });
    const error = (await thrownBy(reconnecting(urlOf(server)))) as ReconnectError;
    expect(error).toBeInstanceOf(ReconnectError);
    expect(error.message).toBe("Cannot reconnect: the end was 403");
    expect(error.end).toMatchObject({ code: 1006, status: 403, opened: false });
    expect(error.cause).toMatchObject({ name: "HandshakeError", status: 403 });
    expect(error.end.error).toBe(error.cause);
  });

  test("so does a Close for good", async () => {
    const server = await serving({
      port: 0,
      routes: { "/": { open: (connection) => connection.close(4403, "banned") } },
    });
    const error = (await thrownBy(reconnecting(urlOf(server)))) as ReconnectError;
    expect(error.message).toBe("Cannot reconnect: the end was 4403 banned");
    expect(error.end).toMatchObject({ code: 4403, reason: "banned", opened: true, wasClean: true });
  });

  test("so do maxAttempts failures", async () => {
    let asked = 0;
    const url = () => {
      asked++;
      return "ws://127.0.0.1:1/";
    };
    const error = await thrownBy(reconnecting(url, { reconnect: { ...soon, maxAttempts: 3 } }));
    expect(error).toBeInstanceOf(ReconnectError);
    expect(asked).toBe(3);
  });

  test("shouldReconnect may say so, and what it throws is thrown", async () => {
    const server = await serving({ port: 0, routes: { "/": { open: (connection) => connection.close(1000) } } });
    const ends: End[] = [];
    const shouldReconnect = async (end: End) => ends.push(end) < 2;
    const error = await thrownBy(reconnecting(urlOf(server), { reconnect: { ...soon, shouldReconnect } }));
    expect(error).toBeInstanceOf(ReconnectError);
    expect(ends).toHaveLength(2);
    const broken = () => {
      throw new Error("broken");
    };
    const other = await thrownBy(reconnecting(urlOf(server), { reconnect: { ...soon, shouldReconnect: broken } }));
    expect(other).toEqual(new Error("broken"));
  });

  test.each(["before the loop", "while connecting", "while open", "while waiting"])(
    "an abort %s throws its reason, and leaves nothing",
    async (moment) => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const abort = () => controller.abort(reason);
      const server = await serving({
        port: 0,
        routes: {
          "/": {
            upgrade: async () => {
              if (moment !== "while connecting") return {};
              abort();
              return new Promise(() => {});
            },
          },
        },
      });
      if (moment === "before the loop") abort();
      const loop = async () => {
        for await (const connection of reconnecting(urlOf(server), { signal: controller.signal })) {
          setTimeout(abort, 10);
          if (moment === "while waiting") connection.close();
          for await (const _ of connection);
        }
      };
      await expect(loop()).rejects.toBe(reason);
      while (server.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    },
  );

  test("a URL and options that cannot be throw at the call", () => {
    expect(() => reconnecting("mailto:x")).toThrow("Cannot open the connection");
    expect(() => reconnecting("ws://a", { maxRetries: 1 } as object)).toThrow('there is no option "maxRetries"');
    expect(() => reconnecting("ws://a", { reconnect: { maxRetries: 1 } as object })).toThrow("maxAttempts");
    expect(() => reconnecting("ws://a", { handshakeTimeout: 1 } as object)).toThrow("it stands in reconnect");
    for (const subprotocols of [["a", "a"], ["a b"], [""]]) {
      expect(() => reconnecting("ws://a", { subprotocols })).toThrow(expect.objectContaining({ name: "SyntaxError" }));
    }
    expect(() => reconnecting("ws://a", { subprotocols: "aa" as never })).toThrow("must be an array");
  });
});

describe("resume", () => {
  test("loses nothing, and doubles nothing, over 200 kills at random moments", { timeout: 120_000 }, async () => {
    const server = await numberedServer();
    const got: number[] = [];
    const random = randomFrom(18);
    let sent = 0;
    let kills = 0;
    let rounds = 0;
    let done = false;
    const publish = async () => {
      while (kills < 200) {
        for (let burst = random() * 20; burst > 0; burst--) server.publish(String(sent++));
        if (random() < 0.5) {
          server.kill();
          kills++;
        }
        await new Promise((resolve) => setTimeout(resolve, random() * 8));
      }
      server.publish(String(sent++));
      done = true;
    };
    const publishing = publish();
    const options = { reconnect: { firstDelay: 2, maxDelay: 4 }, resume: resumeStub<string | Uint8Array>() };
    for await (const connection of reconnecting(server.url, options)) {
      rounds++;
      for await (const data of connection) {
        got.push(Number(data));
        if (done && got.length === sent) break;
      }
      if (done && got.length === sent) break;
    }
    await publishing;
    expect(got).toEqual(Array.from({ length: sent }, (_, index) => index));
    expect(rounds).toBeGreaterThan(50);
  });
});
