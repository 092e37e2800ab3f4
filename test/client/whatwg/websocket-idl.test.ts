/** `WebSocket` and `WebSocketStream` as Web IDL declares them, in place of the runtime's, and in an article's script. */
import { once } from "node:events";
import { createContext, runInContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { serve, WebSocket, WebSocketStream } from "../../../src/index.ts";
import { turns } from "../../support/websocket-log.ts";

/** The members of an interface, each with the kind of its property. */
function members({ prototype }: { readonly prototype: object }): Record<string, unknown> {
  const all = Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([name, member]) => {
    const { get, set, value } = member;
    expect([name, member.enumerable]).toEqual([name, name !== "constructor"]);
    if (get) {
      expect([get.name, get.length, member.configurable]).toEqual([`get ${name}`, 0, true]);
      if (set) expect([set.name, set.length]).toEqual([`set ${name}`, 1]);
      return [name, set ? "attribute" : "readonly attribute"];
    }
    if (typeof value !== "function") {
      expect([member.writable, member.configurable]).toEqual([false, false]);
      return [name, value];
    }
    expect([value.name, member.writable, member.configurable]).toEqual([value.name, true, true]);
    return [name, `${value.name}/${value.length}`];
  });
  return Object.fromEntries(all);
}

describe("WebSocket [WHATWG-3.1-3]", () => {
  test("has its members on the prototype, enumerable", () => {
    expect(members(WebSocket)).toEqual({
      constructor: "WebSocket/1",
      url: "readonly attribute",
      CONNECTING: 0,
      OPEN: 1,
      CLOSING: 2,
      CLOSED: 3,
      readyState: "readonly attribute",
      bufferedAmount: "readonly attribute",
      onopen: "attribute",
      onerror: "attribute",
      onclose: "attribute",
      extensions: "readonly attribute",
      protocol: "readonly attribute",
      close: "close/0",
      onmessage: "attribute",
      binaryType: "attribute",
      send: "send/1",
    });
    expect([WebSocket.name, WebSocket.length]).toEqual(["WebSocket", 1]);
    expect(Object.getPrototypeOf(WebSocket)).toBe(EventTarget);
    expect(Object.getOwnPropertyDescriptor(WebSocket, "prototype")).toMatchObject({ writable: false });
    expect(Object.getOwnPropertyDescriptor(WebSocket.prototype, Symbol.toStringTag)).toEqual({
      value: "WebSocket",
      writable: false,
      enumerable: false,
      configurable: true,
    });
  });

  test("has its constants on the class and on each instance", async () => {
    const ws = new WebSocket("ws://127.0.0.1:1/");
    const constants = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
    for (const [name, value] of Object.entries(constants)) {
      for (const owner of [WebSocket, WebSocket.prototype]) {
        expect(Object.getOwnPropertyDescriptor(owner, name)).toEqual({
          value,
          writable: false,
          enumerable: true,
          configurable: false,
        });
      }
      expect(ws[name as "OPEN"]).toBe(value);
    }
    expect(Object.keys(ws)).toEqual([]);
    expect(Object.keys(WebSocket).filter((key) => !(key in constants))).toEqual([]);
    await once(ws, "close");
  });

  test("checks its object before anything else", () => {
    for (const [name, { get, set, value }] of Object.entries(Object.getOwnPropertyDescriptors(WebSocket.prototype))) {
      for (const wrong of [{}, null, undefined, new EventTarget(), WebSocket.prototype]) {
        if (get) expect(() => get.call(wrong), name).toThrow(TypeError);
        if (set) expect(() => set.call(wrong, "blob"), name).toThrow(TypeError);
      }
      const poison = {
        valueOf() {
          throw new RangeError("The argument was looked at first");
        },
        toString() {
          throw new RangeError("The argument was looked at first");
        },
      };
      if (name === "close" || name === "send") expect(() => value.call({}, poison)).toThrow(TypeError);
      if (name === "binaryType") expect(() => set!.call({}, poison)).toThrow(TypeError);
    }
  });

  test("can be extended", async () => {
    class Logged extends WebSocket {
      readonly seen: string[] = [];
    }
    const ws = new Logged("ws://127.0.0.1:1/");
    ws.addEventListener("close", (event) => ws.seen.push(event.type));
    expect([ws instanceof WebSocket, ws.readyState, Object.prototype.toString.call(ws)]).toEqual([
      true,
      0,
      "[object WebSocket]",
    ]);
    await once(ws, "close");
    expect(ws.seen).toEqual(["close"]);
  });
});

test("WebSocketStream has its members on the prototype, and getters that reject [WHATWG-WSS-1]", async () => {
  expect(members(WebSocketStream)).toEqual({
    constructor: "WebSocketStream/1",
    url: "readonly attribute",
    opened: "readonly attribute",
    closed: "readonly attribute",
    close: "close/0",
  });
  const { url, opened, closed, close } = Object.getOwnPropertyDescriptors(WebSocketStream.prototype);
  expect(() => url.get!.call({})).toThrow(TypeError);
  expect(() => close.value!.call({} as WebSocketStream)).toThrow(TypeError);
  await expect(opened.get!.call({})).rejects.toThrow(TypeError);
  await expect(closed.get!.call({})).rejects.toThrow(TypeError);
});

/** The script of a page, in the words of the article that the project starts from. */
const article = `
var ws = new WebSocket("ws://localhost:9998/echo");

ws.onopen = function () {
    ws.send("发送数据");
    alert("数据发送中...");
};

ws.onmessage = function (evt) {
    var received_msg = evt.data;
    alert("数据已接收...");
};

ws.onclose = function () {
    alert("连接已关闭...");
};
`;

test("the article's script works as it is written", async () => {
  const received: unknown[] = [];
  const server = await serve({
    port: 0,
    routes: {
      "/echo": {
        message: (connection, data) => {
          received.push(data);
          connection.send(data);
        },
      },
    },
  });
  const alerts: string[] = [];
  const page: { ws?: WebSocket; [name: string]: unknown } = { WebSocket, alert: (text: string) => alerts.push(text) };
  createContext(page);
  runInContext(article.replace("9998", String(server.port)), page);
  while (alerts.length < 2) await turns();
  page.ws!.close();
  while (alerts.length < 3) await turns();
  expect(received).toEqual(["发送数据"]);
  expect(alerts).toEqual(["数据发送中...", "数据已接收...", "连接已关闭..."]);
  await server.close();
});
