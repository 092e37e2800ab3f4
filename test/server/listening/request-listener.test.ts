import { spawn } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { LogRecord } from "../../../src/server/log.ts";
import type { ServeOptions } from "../../../src/server/serve-options.ts";
import { answer, echo } from "../../support/asking.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { exchange, openRaw, parseResponse, requestText, sendRaw } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";
import { frameFrom } from "../../support/wire.ts";

test("bytes that are no HTTP are answered with 400, a connection without a request with nothing", async () => {
  const { port } = await serving({ routes: { "/": echo } });
  expect(parseResponse(await exchange(port, "hello\r\n\r\n")).status).toBe(400);
  const peer = await sendRaw(port);
  peer.end();
  await peer.closed;
  const reset = await sendRaw(port, "GET / HT");
  reset.reset();
  await openRaw(port);
});

test("a head that does not come in time is answered with 408 [C05]", async () => {
  const { port } = await serving({ routes: { "/": echo }, limits: { handshakeTimeout: 100 } });
  expect(parseResponse(await exchange(port, "GET / HTTP/1.1\r\nHost: a\r\nX-")).status).toBe(408);
});

test("plain requests go to the option `request`, also those that ask for another protocol", async () => {
  const { port } = await serving({
    routes: { "/": echo },
    request: (message, response) => void response.end(`${message.method} ${message.url} ${message.headers.upgrade}`),
  });
  const plain = { Upgrade: "", Connection: "close" };
  expect((await answer(port, { path: "/page", headers: plain })).body).toBe("GET /page undefined");
  const other = await exchange(
    port,
    requestText({ path: "/page", headers: { Upgrade: "h2c", Connection: "close, Upgrade" } }),
  );
  expect(other).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(other).toContain("GET /page h2c");
  await openRaw(port);
});

test("a request beside a connection on the same agent is answered", async () => {
  const { port } = await serving({ routes: { "/": echo }, request: (_, response) => void response.end("plain") });
  await openRaw(port, {}, frameFrom("client", { opcode: 1, payload: "a" }));
  const body = await new Promise((resolve, reject) => {
    httpRequest({ port, host: "127.0.0.1", path: "/page" }, (response) => {
      response.setEncoding("utf8").on("data", resolve);
    })
      .on("error", reject)
      .end();
  });
  expect(body).toBe("plain");
  connect({ port, host: "127.0.0.1" }).destroy();
});

describe("the option `request`", () => {
  const failing: [string, NonNullable<ServeOptions["request"]>][] = [
    [
      "throws",
      () => {
        throw new Error("no table");
      },
    ],
    [
      "rejects",
      async () => {
        await nextTurn();
        throw new Error("no table");
      },
    ],
  ];

  test.each(failing)("that %s is answered with 500 and logged", async (_, request) => {
    const records: LogRecord[] = [];
    const { port } = await serving({ routes: {}, request, log: (record) => records.push(record) });
    for (let time = 1; time <= 2; time++) {
      const answered = parseResponse(await exchange(port, "GET /a?secret HTTP/1.1\r\nHost: a\r\n\r\n"));
      expect([answered.status, answered.body]).toEqual([500, expect.stringContaining("The server failed\n")]);
      expect(records).toHaveLength(time);
    }
    expect(records[0]).toMatchObject({
      event: "request-error",
      level: "error",
      message: "The request listener threw at /a from 127.0.0.1: no table",
      error: new Error("no table"),
    });
  });

  test.each(failing)("that %s is reported on stderr once where there is no log", async (_, request) => {
    const stderr = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => stderr.mockRestore());
    const { port } = await serving({ routes: {}, request });
    for (let time = 1; time <= 2; time++) await exchange(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(stderr.mock.calls).toEqual([[expect.stringMatching(/request listener/), new Error("no table")]]);
  });

  test("that throws within an answer cuts it off; behind the answer's end, nothing is lost", async () => {
    const { port } = await serving({
      routes: {},
      log: () => {},
      request: ({ url }, response) => {
        response.writeHead(200, { Connection: "close", "Content-Length": 4 });
        if (url === "/whole") response.end("kept");
        else response.write("ke");
        throw new Error("late");
      },
    });
    const asked = (path: string) => exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect((await asked("/whole")).endsWith("\r\n\r\nkept")).toBe(true);
    expect(await asked("/part")).not.toContain("HTTP/1.1 500");
  });

  test("that returns a Response is answered with 500, and the error says how to answer", async () => {
    for (const request of [() => new Response("hello"), async () => new Response("hello")]) {
      const records: LogRecord[] = [];
      const { port } = await serving({
        routes: {},
        request: request as never,
        log: (record) => records.push(record),
      });
      expect(parseResponse(await exchange(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status).toBe(500);
      expect(records.map(({ message }) => message)).toEqual([
        expect.stringMatching(
          /Cannot answer: request returned a Response, .*\(request, response\) => void response\.end/,
        ),
      ]);
    }
  });

  test("control: without a guard an exception of a listener ends the process", async () => {
    const program =
      'require("node:http").createServer(() => { throw new Error("no table"); }).listen(0, "127.0.0.1", function () {' +
      'require("node:http").get({ port: this.address().port, host: "127.0.0.1" }).on("error", () => {}); });';
    const child = spawn(process.execPath, ["-e", program], { stdio: "ignore" });
    expect((await once(child, "exit"))[0]).toBe(1);
  });
});
