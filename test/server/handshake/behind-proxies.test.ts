/**
 * Real proxies in front of a real server, with the configurations that docs/guides/behind-a-proxy.md gives: only ports,
 * and the idle timeout, which is made short, differ.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import { WebSocket } from "../../../src/client/whatwg/websocket.ts";
import type { CloseReport } from "../../../src/connection/closing/close-report.ts";
import { route } from "../../../src/server/route.ts";
import { type Server, serve } from "../../../src/server/server.ts";
import { freePort, type Program, startProgram } from "../../support/program.ts";
import { openRaw } from "../../support/raw-peer.ts";
import { describeWith } from "../../support/real-parts.ts";
import { events, next, opened } from "../../support/websocket-log.ts";

const page = readFileSync(new URL("../../../docs/guides/behind-a-proxy.md", import.meta.url), "utf8");

/** The configuration that the page gives for a proxy, with other ports, and 2 s for the idle timeout. */
function documented(language: string, idleTimeout: RegExp, listen: string, backend: number): string {
  const block = new RegExp(`\`\`\`${language}\n(.*?)\n\`\`\``, "s").exec(page)?.[1] ?? "";
  const changed = block.replace(idleTimeout, "$1 2s").replace(/(listen|bind) :?80\b/, `$1 ${listen}`);
  expect(changed).toContain(listen);
  expect(changed).toMatch(/ 2s;?$/m);
  return changed.replaceAll("127.0.0.1:9998", `127.0.0.1:${backend}`);
}

interface Proxy {
  readonly port: number;
  close(): Promise<void>;
}

async function startNginx(executable: string, backend: number): Promise<Proxy> {
  const folder = mkdtempSync(join(tmpdir(), "nginx-"));
  const port = await freePort();
  const http = documented("nginx", /(proxy_read_timeout) 60s/, `127.0.0.1:${port}`, backend);
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const text = `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
http { access_log off; ${places.join(" ")}\n${http}\n}\n`;
  writeFileSync(join(folder, "nginx.conf"), text);
  const args = ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")];
  return { port, close: closing(await startProgram(executable, args, port), folder) };
}

async function startHaproxy(executable: string, backend: number): Promise<Proxy> {
  const folder = mkdtempSync(join(tmpdir(), "haproxy-"));
  const port = await freePort();
  writeFileSync(
    join(folder, "cfg"),
    `${documented("haproxy", /(timeout tunnel) 60s/, `127.0.0.1:${port}`, backend)}\n`,
  );
  return { port, close: closing(await startProgram(executable, ["-db", "-f", join(folder, "cfg")], port), folder) };
}

function closing(program: Program, folder: string): () => Promise<void> {
  return async () => {
    await program.close();
    rmSync(folder, { recursive: true });
  };
}

describeWith("nginx", "behind nginx", (executable) => behind((backend) => startNginx(executable, backend)));
describeWith("haproxy", "behind HAProxy", (executable) => behind((backend) => startHaproxy(executable, backend)));

function behind(start: (backend: number) => Promise<Proxy>): void {
  let server: Server;
  let proxy: Proxy;
  let lastReport: ((report: CloseReport) => void) | undefined;
  const echo = route({
    upgrade: ({ remoteAddress }) => ({ data: remoteAddress }),
    message: (connection, data) => {
      if (data === "who am I?") connection.send(`${connection.data}`);
      else if (data === "close me") connection.close(4001, "as you wish");
      else connection.send(data);
    },
    close: (_, report) => lastReport?.(report),
  });

  beforeAll(async () => {
    server = await serve({
      host: "127.0.0.1",
      trustProxy: ["127.0.0.1"],
      keepalive: { interval: 1000, timeout: 20_000 },
      request: (_, response) => void response.writeHead(server.accepting ? 200 : 503).end(),
      routes: { "/echo": echo, "/silent": { ...echo, keepalive: false } },
    });
    proxy = await start(server.port);
  });

  afterAll(async () => {
    await proxy?.close();
    await server?.close();
  });

  const open = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    connect(`ws://127.0.0.1:${proxy.port}${path}`, {
      keepalive: false,
      serialize: false,
      headers,
      createConnection: ({ port }) => connectTcp({ host: "127.0.0.1", port, localAddress: "127.0.0.5" }),
    });

  async function ask(path: string, question: string | Uint8Array, headers?: Readonly<Record<string, string>>) {
    const connection = await open(path, headers);
    connection.send(question);
    for await (const data of connection) {
      connection.close();
      return data;
    }
    throw new Error("The connection ended without an answer");
  }

  test("text and 1 MiB of bytes come back unchanged", async () => {
    expect(await ask("/echo", "hello")).toBe("hello");
    const large = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => (index * 31) ^ (index >> 8));
    expect(Buffer.compare((await ask("/echo", large)) as Uint8Array, large)).toBe(0);
  });

  test("the address is the client's, also when the client claims another", async () => {
    expect(await ask("/echo", "who am I?")).toBe("127.0.0.5");
    expect(await ask("/echo", "who am I?", { "X-Forwarded-For": "9.9.9.9" })).toBe("127.0.0.5");
  });

  test("a page of the same host is let in, a page of another host is not", async () => {
    expect(await ask("/echo", "hello", { Origin: `http://127.0.0.1:${proxy.port}` })).toBe("hello");
    await expect(ask("/echo", "hello", { Origin: "http://evil.example" })).rejects.toMatchObject({ status: 403 });
  });

  test("close codes and reasons pass in both directions", async () => {
    const told = await open("/echo");
    told.send("close me");
    expect(await told.closed).toMatchObject({ code: 4001, reason: "as you wish", initiator: "peer", wasClean: true });
    const telling = await open("/echo");
    const seen = new Promise<CloseReport>((resolve) => {
      lastReport = resolve;
    });
    telling.close(4321, "bye");
    expect(await telling.closed).toMatchObject({ code: 4321, wasClean: true });
    expect(await seen).toMatchObject({ code: 4321, reason: "bye", initiator: "peer", wasClean: true });
  });

  test("the standard's WebSocket behaves the same before and behind the proxy", async () => {
    const ws = await opened(`ws://127.0.0.1:${proxy.port}/echo`);
    ws.binaryType = "arraybuffer";
    const answers = [];
    for (const question of ["text", new Uint8Array(70_000).fill(7)]) {
      ws.send(question);
      answers.push((await next(ws, "message")).data);
    }
    expect(answers[0]).toBe("text");
    expect(Buffer.from(answers[1]).equals(Buffer.alloc(70_000, 7))).toBe(true);
    const lines = events(ws);
    ws.send("close me");
    expect(await lines).toEqual(["close 3 4001 as you wish clean"]);
  });

  test("a refusal of the server or of the proxy reaches connect and WebSocket", async () => {
    const url = `ws://127.0.0.1:${proxy.port}/nothing-here`;
    await expect(connect(url)).rejects.toMatchObject({ rule: "status-not-101", status: 404 });
    const ws = new WebSocket(url);
    const failed = next(ws, "error");
    expect(await events(ws)).toEqual(["error 3", "close 3 1006  unclean"]);
    expect((await failed).error).toMatchObject({ rule: "status-not-101", status: 404 });
  });

  test("our pings keep a connection that is idle for longer than the proxy's timeout [D03]", {
    timeout: 60_000,
  }, async () => {
    const kept = await open("/echo");
    const silent = await open("/silent");
    // The proxy ends the connection without pings, so its timeout has passed for the other one, too.
    expect(await silent.closed).toMatchObject({ code: 1006, initiator: "transport" });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(kept.readyState).toBe(1);
    kept.send("still there");
    for await (const data of kept) {
      expect(data).toBe("still there");
      break;
    }
    kept.close();
    expect(await kept.closed).toMatchObject({ code: 1000, wasClean: true });
  });

  test("frames glued to the request are not lost", async () => {
    // An empty Ping and the text "a", both with a masking key of zero.
    const glued = Buffer.from([0x89, 0x80, 0, 0, 0, 0, 0x81, 0x81, 0, 0, 0, 0, 0x61]);
    const peer = await openRaw(proxy.port, { path: "/echo" }, glued);
    const frames = await peer.nextFrames(2);
    expect(frames.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [10, ""],
      [1, "a"],
    ]);
    peer.reset();
  });
}

describe("the page", () => {
  test("the page names no port but 80 and ours", () => {
    expect(page.match(/127\.0\.0\.1:\d+/g)).toEqual(["127.0.0.1:9998", "127.0.0.1:9998"]);
  });
});
