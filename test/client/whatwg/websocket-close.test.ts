/** `WebSocket`: closing, in every state. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, serve, WebSocket } from "../../../src/index.ts";
import { events, next, opened, thrown, turns } from "../../support/websocket-log.ts";

let server: Server;
let echo: string;
/** The messages that the server has received, and the ends of its connections. */
const received: (string | Uint8Array)[] = [];
const ended: [code: number, reason: string][] = [];

beforeAll(async () => {
  server = await serve({
    port: 0,
    host: "127.0.0.1",
    routes: {
      "/echo": {
        message: (connection, data) => {
          received.push(data);
          connection.send(data);
        },
        close: (_, { code, reason }) => void ended.push([code, reason]),
      },
    },
  });
  echo = `ws://127.0.0.1:${server.port}/echo`;
});

afterAll(() => server.close());

describe("close", () => {
  const invalid: [unknown][] = [
    [0],
    [999],
    [1001],
    [1005],
    [1006],
    [2999],
    [5000],
    [66536],
    [null],
    [Number.NaN],
    ["x"],
  ];

  test.each(invalid)("refuses the code %s in every state [WHATWG-3.1-4]", async (code) => {
    const ws = new WebSocket(echo);
    const close = () => thrown(() => ws.close(code as number));
    const states = [[ws.readyState, close()]];
    await next(ws, "open");
    states.push([ws.readyState, close()]);
    ws.close();
    states.push([ws.readyState, close()]);
    await next(ws, "close");
    states.push([ws.readyState, close()]);
    expect(states).toEqual([0, 1, 2, 3].map((state) => [state, "InvalidAccessError"]));
  });

  test("refuses a reason of more than 123 bytes of UTF-8 in every state [WHATWG-3.1-4]", async () => {
    const ws = new WebSocket(echo);
    const refuse = () => {
      for (const reason of ["x".repeat(124), "é".repeat(62), "\ud800".repeat(42)]) {
        expect(thrown(() => ws.close(1000, reason))).toBe("SyntaxError");
        expect(thrown(() => ws.close(undefined, reason))).toBe("SyntaxError");
      }
      expect(thrown(() => ws.close(1, "x".repeat(124)))).toBe("InvalidAccessError");
      expect(thrown(() => ws.close(1000, Symbol("s") as never))).toBe("TypeError");
      expect(thrown(() => ws.close(1000n as never))).toBe("TypeError");
    };
    refuse();
    await next(ws, "open");
    refuse();
    ws.close();
    refuse();
    await next(ws, "close");
    refuse();
  });

  test.each([
    [[], 1005, ""],
    [[undefined, undefined], 1005, ""],
    [[undefined, ""], 1005, ""],
    [[1000], 1000, ""],
    [["3000"], 3000, ""],
    [[999.6], 1000, ""],
    [[3000, "rëason"], 3000, "rëason"],
    [[4999, "\ud800"], 4999, "\ufffd"],
    [[1000, null], 1000, "null"],
    [[undefined, "only a reason"], 1000, "only a reason"],
    [[3000, "x".repeat(123)], 3000, "x".repeat(123)],
  ])("close(%j) sends %s %j [WHATWG-3.1-5]", async (given, code, reason) => {
    const ws = await opened(echo);
    ended.length = 0;
    const end = next(ws, "close");
    ws.close(...(given as [number]));
    expect(ws.readyState).toBe(2);
    const event = await end;
    expect([event.wasClean, event.code]).toEqual([true, code]);
    while (ended.length === 0) await turns();
    expect(ended).toEqual([[code, reason]]);
  });

  test("does nothing when the connection is closing or closed [WHATWG-3.1-5]", async () => {
    const ws = await opened(echo);
    const done = events(ws);
    ws.close(3000);
    ws.close(4000);
    expect(await done).toEqual(["close 3 3000  clean"]);
    ws.close(3000);
    await turns();
    expect(ws.readyState).toBe(3);
  });

  test("reads the state after its argument was converted, as send does", async () => {
    const ws = await opened(echo);
    const done = events(ws);
    const closing = {
      toString: () => {
        ws.close(3001);
        return "3002";
      },
    };
    ws.send(closing as unknown as string);
    expect([ws.readyState, ws.bufferedAmount]).toEqual([2, 4]);
    ws.close(closing as unknown as number);
    expect(await done).toEqual(["close 3 3001  clean"]);
  });

  test("comes behind the messages that were sent before [WHATWG-3.1-6]", async () => {
    const ws = await opened(echo);
    received.length = 0;
    for (const text of ["a", "b", "c"]) ws.send(text);
    ws.send(new Blob(["d"]));
    ws.close(1000);
    await next(ws, "close");
    expect(received.map((data) => Buffer.from(data).toString())).toEqual(["a", "b", "c", "d"]);
  });

  test("is CLOSING at once while connecting, with error and close with 1006 later [WHATWG-3.1-5]", async () => {
    const ws = new WebSocket(echo);
    const lines: string[] = [];
    const done = events(ws, lines);
    ws.close(3000, "ignored");
    expect([ws.readyState, lines.length]).toEqual([2, 0]);
    ws.send("nowhere");
    expect(ws.bufferedAmount).toBe(7);
    expect(await done).toEqual(["error 3", "close 3 1006  unclean"]);
    expect(ws.protocol).toBe("");
  });

  test("can be called while connecting, in every turn until it is open [WHATWG-3.1-5]", async () => {
    for (let wait = 0; wait < 12; wait++) {
      const ws = new WebSocket(echo);
      const done = events(ws);
      await turns(wait);
      if (ws.readyState === 1) ws.send("x");
      const connecting = ws.readyState === 0;
      ws.close();
      const lines = await done;
      if (connecting) expect(lines).toEqual(["error 3", "close 3 1006  unclean"]);
      else expect(lines.at(-1)).toBe("close 3 1005  clean");
    }
  });
});
