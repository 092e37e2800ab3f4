/**
 * The demo's server by itself: how it starts and stops, what its files may do, and that the comparison counts every byte.
 */
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import type {
  ChatMessage,
  CompareAnswer,
  CompareQuestion,
  DrainMessage,
  Figures,
  ReadersMessage,
} from "../../demo/server/messages.ts";
import type { DemoEnd, DemoProcess } from "./demo-process.ts";
import { startDemo } from "./demo-process.ts";

const assets = new URL("../../demo/dist/page/assets/", import.meta.url);

let demo: DemoProcess;
beforeAll(async () => {
  demo = await startDemo();
});
afterAll(() => demo?.stop());

describe("start and stop", () => {
  test("prints the page's URL and the echo's", () => {
    expect(demo.stdout()).toContain(`http://localhost:${demo.port}\n`);
    expect(demo.stdout()).toContain(`ws://localhost:${demo.port}/echo\n`);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s drains: connections close with 1012, and it ends with exit code 0",
    async (signal) => {
      const other = await startDemo();
      const idle = await open(`ws://127.0.0.1:${other.port}/push`);
      const control = await open(`ws://127.0.0.1:${other.port}/compare`);
      const started = await ask(control, { do: "start", rate: 1, seconds: 60 });
      if (started.is !== "started") throw new Error(started.is);
      const first = await fetch(`${other.url}/compare/${started.run}/long?after=0`);
      expect(await first.json()).toHaveLength(1);
      const held = fetch(`${other.url}/compare/${started.run}/long?after=1`);
      const closed = new Promise<number>((resolve) => idle.on("close", resolve));
      let arrived = 0;
      while (arrived < 2) arrived = (await figures(control)).tallies.long.requests;
      void other.stop(signal);
      // npm and a terminal both send it.
      const end = other.stop(signal);
      expect(await closed).toBe(1012);
      expect((await held).status).toBeLessThan(300);
      expect(await end).toEqual({ code: 0, signal: null, stderr: "" });
    },
  );

  test("while it drains, /readyz is 503 and new clients are; a second signal ends it at once", async () => {
    const other = await startDemo();
    expect((await fetch(`${other.url}/readyz`)).status).toBe(200);
    const stays = await open(`ws://127.0.0.1:${other.port}/push`);
    // It never answers the Close, so that the drain lasts.
    stays.pause();
    const end = other.stop("SIGTERM");
    let status = 200;
    while (status === 200) ({ status } = await fetch(`${other.url}/readyz`));
    expect(status).toBe(503);
    await expect(open(`ws://127.0.0.1:${other.port}/echo`)).rejects.toThrow("503");
    // One that comes within 300 ms is taken for the same.
    await new Promise((resolve) => setTimeout(resolve, 400));
    void other.stop("SIGTERM");
    expect(await end).toMatchObject({ code: 1, signal: null });
  });

  test("/metrics counts for Prometheus what the server did", async () => {
    const before = await (await fetch(`${demo.url}/metrics`)).text();
    const echo = await open(`ws://127.0.0.1:${demo.port}/echo`);
    const heard = messages(echo);
    echo.send("{}");
    await heard();
    const answer = await fetch(`${demo.url}/metrics`);
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const after = await answer.text();
    const opened = (text: string) => Number(/^openline_connections_opened_total (\d+)$/m.exec(text)?.[1]);
    expect(opened(after)).toBe(opened(before) + 1);
    echo.close();
  });

  test("a taken port is one line on stderr and exit code 1", async () => {
    const failure: { end: DemoEnd } = await startDemo(demo.port).then(
      () => expect.unreachable("it listened on a taken port"),
      (error) => error,
    );
    expect(failure.end.code).toBe(1);
    expect(failure.end.stderr).toMatch(/^Cannot start: port \d+ on 127\.0\.0\.1 is taken[^\n]*\n$/);
  });
});

describe("files", () => {
  test("the page has a policy that allows only itself and the article's literal URL", async () => {
    const answer = await fetch(demo.url);
    const policy = answer.headers.get("content-security-policy");
    expect(answer.status).toBe(200);
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).toContain("ws://localhost:9998");
    expect(policy).not.toContain("unsafe");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    const html = await answer.text();
    expect(html).not.toMatch(/<style|style=|<script(?![^>]* src="\/)/);
    expect(html).not.toMatch(/https?:\/\//);
  });

  test("hashed assets are immutable, and everything is 304 to those who have it", async () => {
    const names = readdirSync(assets);
    expect(names.length).toBeGreaterThan(0);
    for (const path of ["", ...names.map((name) => `assets/${name}`)]) {
      const url = `${demo.url}/${path}`;
      const answer = await fetch(url);
      expect(answer.headers.get("cache-control")).toBe(
        path === "" ? "no-cache" : "public, max-age=31536000, immutable",
      );
      const etag = answer.headers.get("etag") ?? "";
      const again = await fetch(url, { headers: { "if-none-match": etag } });
      expect(again.status).toBe(304);
    }
  });

  test.each([
    "/../server/main.js",
    "/..%2fserver/main.js",
    "/%2e%2e/server/main.js",
    "/assets/../../package.json",
    "//etc/passwd",
    "/__proto__",
    "/assets/",
  ])("%s is 404", async (path) => {
    expect(await rawStatus(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).toBe(404);
  });

  test("POST is 405, HEAD has no body", async () => {
    const answer = await fetch(demo.url, { method: "POST" });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    const head = await fetch(demo.url, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
  });

  test.each([
    ["localhost:9998", 200, "ws://localhost:9998/echo"],
    ["127.0.0.1:9998", 200, "ws://localhost:9998/echo"],
    ["demo.example:80", 200, "ws://demo.example:80/echo"],
    ["[::1]:1234", 200, "ws://[::1]:1234/echo"],
    ['x");alert(("', 400, "malformed"],
    ["$&", 400, "malformed"],
  ])("the article's example for Host %s: %i, %s", async (host, status, text) => {
    const answer = await raw(`GET /article.js HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain(text);
    expect(answer).not.toContain("alert((");
    const inEnglish = await raw(`GET /article.en.js HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(inEnglish).toContain(`HTTP/1.1 ${status} `);
    expect(inEnglish).toContain(text);
  });
});

describe("the comparison's bill", () => {
  test("polls on one kept-alive socket, among other requests: exactly the bytes of the polls", async () => {
    const { run, control } = await startRun();
    const line = await openLine(demo.port);
    const get = (path: string): Promise<{ sent: number; received: number }> =>
      line.exchange(`GET ${path} HTTP/1.1\r\nHost: localhost:${demo.port}\r\nX-Padding: ${"x".repeat(100)}\r\n\r\n`);
    const bill = { short: { sent: 0, received: 0 }, long: { sent: 0, received: 0 } };
    await get("/favicon.svg");
    for (const mode of ["short", "long", "short"] as const) {
      const { sent, received } = await get(`/compare/${run}/${mode}?after=0`);
      bill[mode].sent += sent;
      bill[mode].received += received;
      await get("/theme.js");
    }
    const { tallies } = await figures(control);
    expect(tallies.short).toEqual({ requests: 2, bytesIn: bill.short.sent, bytesOut: bill.short.received });
    expect(tallies.long).toEqual({ requests: 1, bytesIn: bill.long.sent, bytesOut: bill.long.received });
    expect(tallies.socket).toEqual({ requests: 0, bytesIn: 0, bytesOut: 0 });
    line.close();
    control.close();
  });

  test("a WebSocket: opening handshake, frames and Close frames, to the byte", async () => {
    const { run, control } = await startRun(50, 1);
    const line = await openLine(demo.port);
    const handshake =
      `GET /compare/${run}/socket HTTP/1.1\r\nHost: localhost:${demo.port}\r\nUpgrade: websocket\r\n` +
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    line.write(handshake);
    await line.until((text) => (text.match(/"seq"/g) ?? []).length === 50);
    // A masked Close frame with 1000, the masking key being zero.
    const close = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    line.write(close);
    await line.ended;
    const { tallies } = await figures(control);
    expect(tallies.socket).toEqual({
      requests: 1,
      bytesIn: handshake.length + close.length,
      bytesOut: line.received(),
    });
    control.close();
  });

  test("a run that is not there is 404, and bad questions are refused", async () => {
    const unknown = "00000000-0000-4000-8000-000000000000";
    expect((await fetch(`${demo.url}/compare/${unknown}/short?after=0`)).status).toBe(404);
    await expect(open(`ws://127.0.0.1:${demo.port}/compare/${unknown}/socket`)).rejects.toThrow("404");
    const control = await open(`ws://127.0.0.1:${demo.port}/compare`);
    for (const [rate, seconds] of [
      [0, 1],
      [51, 1],
      [1, 61],
      ["5", 1],
    ] as [number, number][]) {
      expect(await ask(control, { do: "start", rate, seconds })).toMatchObject({ is: "refused" });
    }
    expect(await ask(control, { do: "stop" })).toMatchObject({ is: "refused" });
    const closed = new Promise<number>((resolve) => control.on("close", resolve));
    control.send("no JSON");
    expect(await closed).toBe(1008);
  });
});

describe("readers and drains", () => {
  test("a pace that is not offered is refused, and a reader that no trial waits for is 404", async () => {
    const control = await open(`ws://127.0.0.1:${demo.port}/readers`);
    const hear = messages<ReadersMessage>(control);
    control.send(JSON.stringify({ do: "start", perSecond: 1000 }));
    expect(await hear()).toMatchObject({ is: "refused" });
    control.send(JSON.stringify({ do: "start", perSecond: 5 }));
    const started = await hear();
    if (started.is !== "started") throw new Error(`The trial was not started: ${started.is}`);
    for (const path of [`${started.trial}/nobody`, "no-trial/page"]) {
      await expect(open(`ws://127.0.0.1:${demo.port}/readers/${path}`)).rejects.toThrow("404");
    }
    const page = await open(`ws://127.0.0.1:${demo.port}/readers/${started.trial}/page`);
    const closed = new Promise<number>((resolve) => page.on("close", resolve));
    await expect(open(`ws://127.0.0.1:${demo.port}/readers/${started.trial}/page`)).rejects.toThrow("404");
    control.close();
    expect(await closed).toBe(1000);
  });

  test("a drained server sends its clients away with 1012, and the next one serves at the same path", async () => {
    const control = new WebSocket(`ws://127.0.0.1:${demo.port}/drain`);
    const hear = messages<DrainMessage>(control);
    await opened(control);
    const first = await hear();
    if (first.is !== "serving") throw new Error(`The server does not serve: ${first.is}`);
    const url = `ws://127.0.0.1:${demo.port}${first.path}/1`;
    const client = await open(url);
    const left = new Promise<number>((resolve) => client.on("close", resolve));
    // It does not answer the Close yet, so that the drain lasts.
    client.pause();
    control.send(JSON.stringify({ do: "drain" }));
    expect(await hear()).toEqual({ is: "draining" });
    await expect(open(url)).rejects.toThrow("503");
    client.resume();
    expect(await left).toBe(1012);
    expect(await hear()).toEqual({ is: "serving", path: first.path, generation: 2 });
    const next = new WebSocket(url);
    expect(await messages<number>(next)()).toBe(2);
    const closed = new Promise<number>((resolve) => next.on("close", resolve));
    control.close();
    expect(await closed).toBe(1001);
    await expect(open(url)).rejects.toThrow("404");
  });

  test.each(["/readers", "/drain"])("%s answers what is no request with 1008", async (path) => {
    const control = await open(`ws://127.0.0.1:${demo.port}${path}`);
    const closed = new Promise<number>((resolve) => control.on("close", resolve));
    control.send(JSON.stringify({ do: "nothing" }));
    expect(await closed).toBe(1008);
  });
});

describe("the chat's rules", () => {
  test("names and texts are bounded by the server, whatever the page allows", async () => {
    const { member, hear } = await look("rules");
    expect(await hear()).toMatchObject({ is: "room", members: [], lines: [{ name: "openline" }] });
    const say = async (request: unknown): Promise<ChatMessage> => {
      member.send(JSON.stringify(request));
      return hear();
    };
    expect(await say({ do: "say", text: "hello" })).toMatchObject({ is: "refused" });
    for (const name of ["", "  ", "x".repeat(25), 7, null, "openline"]) {
      expect(await say({ do: "join", name })).toMatchObject({ is: "refused" });
    }
    expect(await say({ do: "join", name: " Ada " })).toEqual({ is: "welcome", name: "Ada", members: ["Ada"] });
    expect(await hear()).toMatchObject({ is: "joined", name: "Ada" });
    expect(await say({ do: "join", name: "Eve" })).toMatchObject({ is: "refused" });
    expect(await say({ do: "say", text: "x".repeat(501) })).toMatchObject({ is: "refused" });
    expect(await say({ do: "say", text: "x".repeat(500) })).toMatchObject({ is: "said", name: "Ada" });
    const closed = new Promise<number>((resolve) => member.on("close", resolve));
    member.send(JSON.stringify({ do: "say", text: "x".repeat(5000) }));
    expect(await closed).toBe(1008);
  });

  test("who comes later sees the last lines, and a room that all have left begins anew", async () => {
    const { member: first, hear } = await look("lines");
    first.send(JSON.stringify({ do: "join", name: "Ada" }));
    for (let n = 0; n < 60; n += 1) first.send(JSON.stringify({ do: "say", text: `line ${n}` }));
    let heard = await hear();
    while (heard.is !== "said" || heard.text !== "line 59") heard = await hear();
    const { member: second, hear: hearSecond } = await look("lines");
    const seen = await hearSecond();
    if (seen.is !== "room") throw new Error(`A room was seen first: ${seen.is}`);
    expect(seen.members).toEqual(["Ada"]);
    expect(seen.lines.map(({ text }) => text)).toEqual(Array.from({ length: 50 }, (_, n) => `line ${n + 10}`));
    first.send(JSON.stringify({ do: "leave" }));
    expect(await hear()).toMatchObject({ is: "left", name: "Ada", members: [] });
    for (const socket of [first, second]) {
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.close();
      await closed;
    }
    const { member: third, hear: hearThird } = await look("lines");
    expect(await hearThird()).toMatchObject({ is: "room", lines: [{ name: "openline" }] });
    third.close();
  });

  test("a room is its own, and its name is bounded", async () => {
    const { member: here, hear: hearHere } = await look("here");
    const { member: there, hear: hearThere } = await look("there");
    for (const hear of [hearHere, hearThere]) expect(await hear()).toMatchObject({ is: "room" });
    for (const [member, name] of [
      [here, "Ada"],
      [there, "Grace"],
    ] as const) {
      member.send(JSON.stringify({ do: "join", name }));
    }
    expect(await hearHere()).toMatchObject({ is: "welcome", members: ["Ada"] });
    expect(await hearThere()).toMatchObject({ is: "welcome", members: ["Grace"] });
    for (const hear of [hearHere, hearThere]) expect(await hear()).toMatchObject({ is: "joined" });
    here.send(JSON.stringify({ do: "say", text: "only here" }));
    there.send(JSON.stringify({ do: "say", text: "only there" }));
    expect(await hearHere()).toMatchObject({ is: "said", text: "only here" });
    expect(await hearThere()).toMatchObject({ is: "said", text: "only there" });
    const { member: nowhere, hear: hearNowhere } = await look("x".repeat(33));
    nowhere.send(JSON.stringify({ do: "join", name: "Ada" }));
    expect(await hearNowhere()).toMatchObject({ is: "refused" });
    for (const member of [here, there, nowhere]) member.close();
  });
});

async function startRun(rate = 1, seconds = 60): Promise<{ run: string; control: WebSocket }> {
  const control = await open(`ws://127.0.0.1:${demo.port}/compare`);
  const started = await ask(control, { do: "start", rate, seconds });
  if (started.is !== "started") throw new Error(`The run was not started: ${started.is}`);
  return { run: started.run, control };
}

async function figures(control: WebSocket): Promise<Figures> {
  const answer = await ask(control, { do: "figures" });
  if (answer.is !== "figures") throw new Error(`No figures: ${answer.is}`);
  return answer.figures;
}

function open(url: string): Promise<WebSocket> {
  return opened(new WebSocket(url, { perMessageDeflate: false }));
}

function opened(socket: WebSocket): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve(socket));
    socket.on("error", reject);
  });
}

/** Looks at a room; what it says first may come with the handshake, so that this listens from the beginning. */
async function look(room: string): Promise<{ member: WebSocket; hear: () => Promise<ChatMessage> }> {
  const member = new WebSocket(`ws://127.0.0.1:${demo.port}/chat/${room}`, { perMessageDeflate: false });
  const hear = messages<ChatMessage>(member);
  await opened(member);
  return { member, hear };
}

function ask(control: WebSocket, question: CompareQuestion): Promise<CompareAnswer> {
  const answer = messages<CompareAnswer>(control)();
  control.send(JSON.stringify(question));
  return answer;
}

/** Returns a function that gives the next message, in order, from now on. */
function messages<Message>(socket: WebSocket): () => Promise<Message> {
  const come: Message[] = [];
  const awaited: ((message: Message) => void)[] = [];
  socket.on("message", (data) => {
    const message = JSON.parse(String(data)) as Message;
    const next = awaited.shift();
    if (next === undefined) come.push(message);
    else next(message);
  });
  return () => new Promise((resolve) => (come.length > 0 ? resolve(come.shift() as Message) : awaited.push(resolve)));
}

interface Line {
  write(data: string | Buffer): void;
  /** Sends a request, waits for the whole answer, and says how many bytes each was. */
  exchange(request: string): Promise<{ sent: number; received: number }>;
  until(condition: (text: string) => boolean): Promise<void>;
  readonly received: () => number;
  readonly ended: Promise<void>;
  close(): void;
}

/** A bare TCP connection that counts what passes. */
function openLine(port: number): Promise<Line> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    let heard = (): void => undefined;
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      heard();
    });
    socket.on("error", reject);
    const ended = new Promise<void>((end) => socket.on("end", () => end(socket.end() && undefined)));
    const until = (condition: (text: string) => boolean): Promise<void> =>
      new Promise((done) => {
        heard = () => condition(text) && done();
        heard();
      });
    const line: Line = {
      until,
      ended,
      received: () => text.length,
      write: (data) => void socket.write(data),
      close: () => socket.destroy(),
      exchange: async (request) => {
        const before = text.length;
        socket.write(request);
        await until((all) => isWholeAnswer(all.slice(before)));
        return { sent: request.length, received: text.length - before };
      },
    };
    socket.on("connect", () => resolve(line));
  });
}

function isWholeAnswer(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1];
  return text.length === end + 4 + Number(length ?? 0);
}

async function raw(request: string): Promise<string> {
  const line = await openLine(demo.port);
  let answer = "";
  line.write(request);
  await Promise.all([
    line.ended,
    line.until((text) => {
      answer = text;
      return text.includes("\r\n\r\n");
    }),
  ]);
  return answer;
}

async function rawStatus(request: string): Promise<number> {
  return Number(/^HTTP\/1\.1 (\d+)/.exec(await raw(request))?.[1]);
}
