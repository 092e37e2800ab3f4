/** `reconnecting` and `ReconnectingWebSocket` of pages, over a WebSocket that does what the test says. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { reconnecting } from "../../src/browser/reconnecting.ts";
import { ReconnectingWebSocket } from "../../src/browser/reconnecting-websocket.ts";
import { ReconnectError } from "../../src/reconnecting/reconnect-error.ts";
import { resumeStub } from "../reconnecting/numbered-server.ts";
import { FakeSocket, settled } from "../reconnecting/turned-clock.ts";

let made: FakeSocket[];
let page: EventTarget;

beforeEach(() => {
  made = [];
  page = new EventTarget();
  vi.stubGlobal(
    "WebSocket",
    class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        made.push(this);
      }
    },
  );
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
});

afterEach(() => void vi.unstubAllGlobals());

/** Waits until so many sockets were made, and opens the last. */
async function open(count: number): Promise<FakeSocket> {
  await vi.waitUntil(() => made.length === count, { timeout: 10_000, interval: 1 });
  made.at(-1)!.open();
  await settled();
  return made.at(-1)!;
}

const reconnect = { firstDelay: 5, maxDelay: 10 };

describe("reconnecting", () => {
  test("asks its providers for each round, and closes with 1000 when it comes round and when it is left", async () => {
    const url = ({ number }: { number: number }) => `ws://server/${number}`;
    const subprotocols = ({ number }: { number: number }) => [`v${number}`];
    const rounds = reconnecting(url, { subprotocols, reconnect })[Symbol.asyncIterator]();
    const first = rounds.next();
    const socket = await open(1);
    expect((await first).value).toMatchObject({ readyState: 1 });
    const second = rounds.next();
    await settled();
    expect(socket.closedWith).toEqual([1000, ""]);
    socket.end(1000);
    await open(2);
    await second;
    await rounds.return?.();
    expect(made.map(({ url: to, protocols }) => [to, protocols])).toEqual([
      ["ws://server/1", ["v1"]],
      ["ws://server/2", ["v2"]],
    ]);
    expect(made[1]!.closedWith).toEqual([1000, ""]);
  });

  test("a Close that judges the page is the end, with its code", async () => {
    const next = reconnecting("ws://server/", { reconnect })[Symbol.asyncIterator]();
    const first = next.next();
    const socket = await open(1);
    await first;
    const second = next.next();
    socket.end(4403, "banned");
    await expect(second).rejects.toThrow(ReconnectError);
    await expect(second).rejects.toMatchObject({ end: { code: 4403, reason: "banned", opened: true } });
  });

  test("a wake brings the next attempt on", async () => {
    const rounds = reconnecting("ws://server/", { reconnect: { firstDelay: 2 ** 30, maxDelay: 2 ** 30 } });
    const iterator = rounds[Symbol.asyncIterator]();
    const first = iterator.next();
    const socket = await open(1);
    await first;
    const second = iterator.next();
    socket.end(1006);
    await settled();
    page.dispatchEvent(new Event("resume"));
    await open(2);
    await second;
    await iterator.return?.();
  });

  test("resume has each connection first, and sees each message", async () => {
    const resume = resumeStub<string | Uint8Array>();
    const iterator = reconnecting("ws://server/", { reconnect, resume })[Symbol.asyncIterator]();
    const first = iterator.next();
    const socket = await open(1);
    expect(socket.sent).toEqual(["resume 0"]);
    for (const data of ["resumed", "0:a", "1:b"]) socket.message(data);
    const { value: connection } = await first;
    const got: unknown[] = [];
    for await (const data of connection!) {
      got.push(data);
      if (got.length === 2) break;
    }
    expect(got).toEqual(["a", "b"]);
    await iterator.return?.();
  });

  test("what cannot be throws at the call", () => {
    expect(() => reconnecting("ftp://server/")).toThrow(expect.objectContaining({ name: "SyntaxError" }));
    expect(() => reconnecting("ws://server/", { reconnect: { factor: 0 } })).toThrow(RangeError);
  });
});

describe("ReconnectingWebSocket", () => {
  test("makes the class of the page, or the one that is given", async () => {
    const socket = new ReconnectingWebSocket("ws://server/", "chat");
    await open(1);
    expect([socket.state, made[0]!.protocols]).toEqual(["open", ["chat"]]);
    const own: FakeSocket[] = [];
    class Own extends FakeSocket {
      constructor(url: string | URL, protocols: string[]) {
        super(url, protocols);
        own.push(this);
      }
    }
    const other = new ReconnectingWebSocket("ws://server/", [], { WebSocket: Own });
    await settled();
    expect([made.length, own.length]).toEqual([1, 1]);
    for (const each of [socket, other]) each.close();
  });

  test("a class that throws fails each attempt, as for ws in a page of https", async () => {
    class Own extends FakeSocket {
      constructor(url: string | URL, protocols: string[]) {
        super(url, protocols);
        throw new DOMException("insecure", "SecurityError");
      }
    }
    const socket = new ReconnectingWebSocket("ws://server/", [], { WebSocket: Own, reconnect: { maxAttempts: 1 } });
    const told: string[] = [];
    socket.onerror = ({ message }) => told.push(message);
    socket.onclose = ({ final }) => told.push(`final ${final}`);
    await settled();
    expect(told).toEqual(["insecure", "final true"]);
  });
});
