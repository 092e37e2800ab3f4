/** The opening handshakes of `connect`: the request, the way to the server, and the queue of one address. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { getDefaultAutoSelectFamily, connect as netConnect, setDefaultAutoSelectFamily } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { maxHandshakes } from "../../src/client/handshake-queue.ts";
import { accept, type Connection, connect, type MessageData } from "../../src/index.ts";
import { until } from "../support/connection-pair.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { serversOfFile } from "../support/servers-of-file.ts";

const { serveEcho, serveRaw } = serversOfFile();

async function next(connection: Connection): Promise<MessageData | undefined> {
  return (await connection[Symbol.asyncIterator]().next()).value;
}

describe("the request", () => {
  async function requestOf(options: Parameters<typeof connect>[1], path = "/") {
    const server = await serveRaw((request) =>
      acceptance(request, options?.subprotocols ? { "Sec-WebSocket-Protocol": "b" } : {}),
    );
    const connection = await connect(`ws://127.0.0.1:${server.port}${path}`, options);
    connection.terminate();
    return { request: server.requests[0]!, connection, host: `127.0.0.1:${server.port}` };
  }

  it("is a GET of the resource name with the fields of the handshake, and no more [R6455-4.1-9 R6455-4.1-10 R6455-4.1-11 R6455-4.1-12 R6455-4.1-13 R6455-4.1-14 R6455-4.1-15 R6455-4.1-16]", async () => {
    const { request, host } = await requestOf({ compression: false }, "/a%20b//c?d=e&f");
    expect([request.method, request.target]).toEqual(["GET", "/a%20b//c?d=e&f"]);
    expect(request.fields).toEqual([
      ["Host", host],
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
      ["Sec-WebSocket-Key", expect.stringMatching(/^[+/0-9A-Za-z]{21}[AQgw]==$/)],
      ["Sec-WebSocket-Version", "13"],
    ]);
    expect(request.rest).toHaveLength(0);
  });

  it("has a fresh key each time [R6455-4.1-14]", async () => {
    const keys = [await requestOf({}), await requestOf({})].map(
      ({ request }) => request.values("sec-websocket-key")[0],
    );
    expect(keys[0]).not.toBe(keys[1]);
  });

  it("has the fields of the options, with names as given and in order [R6455-4.1-15 R6455-4.1-16 R6455-4.1-17 R6455-4.1-18 R6455-4.1-19 G60 G63]", async () => {
    const { request, connection } = await requestOf({
      subprotocols: ["a", "b"],
      origin: "https://example.com",
      headers: [
        ["X-Token", "1"],
        ["x-token", "2"],
        ["hOST", "other.test:1"],
      ],
      compression: { clientMaxWindowBits: 15, serverMaxWindowBits: 15 },
    });
    expect(request.fields.filter(([name]) => !/key|version|upgrade|connection/i.test(name))).toEqual([
      ["Host", "other.test:1"],
      ["Sec-WebSocket-Protocol", "a, b"],
      ["Sec-WebSocket-Extensions", expect.stringContaining("permessage-deflate")],
      ["Origin", "https://example.com"],
      ["X-Token", "1"],
      ["x-token", "2"],
    ]);
    expect(connection.subprotocol).toBe("b");
  });

  it.each([
    ["a record", { Authorization: "Bearer x" }],
    ["a Map", new Map([["Authorization", "Bearer x"]])],
    ["a Headers object", new Headers({ Authorization: "Bearer x" })],
  ])("takes header fields from %s", async (_, headers) => {
    const { request } = await requestOf({ headers });
    expect(request.values("authorization")).toEqual(["Bearer x"]);
  });

  it("has a field for each value of an array", async () => {
    const { request } = await requestOf({ headers: { "X-Token": ["1", "2"], "X-None": [], "X-Undefined": undefined } });
    expect(request.values("x-token")).toEqual(["1", "2"]);
    expect(request.fields.filter(([name]) => /x-(none|undefined)/i.test(name))).toEqual([]);
  });

  it.each([[["X-Token"]], [["X-Token", "1", "2"]], [[]], ["ab"], [undefined]])(
    "refuses %j as a field",
    async (entry) => {
      await expect(connect("ws://127.0.0.1:1/", { headers: [entry] as never })).rejects.toThrow(
        /^Cannot connect: each of headers is an array of a name and a value, not /,
      );
    },
  );

  it("has the URL's user name and password as Basic credentials, unless the caller gives others", async () => {
    const server = await serveRaw((request) => acceptance(request));
    const url = `ws://us%65r:p%C3%A4%ss@127.0.0.1:${server.port}/`;
    for (const options of [{}, { headers: { authorization: "Bearer x" } }]) (await connect(url, options)).terminate();
    expect(server.requests.map((request) => request.values("authorization"))).toEqual([
      [`Basic ${Buffer.from("user:pä%ss").toString("base64")}`],
      ["Bearer x"],
    ]);
    expect(server.requests[0]!.values("host")).toEqual([`127.0.0.1:${server.port}`]);
  });
});

describe("the way to the server", () => {
  it("leads to names, IPv6 addresses, http URLs and ports [R6455-3-1 R6455-4.1-11]", async () => {
    const hosts: string[] = [];
    const server = await serveEcho({
      host: "::",
      routes: { "/": { upgrade: ({ request }) => ({ data: hosts.push(request.headers.host!) }) } },
    });
    const { port } = server;
    for (const host of ["localhost", "127.0.0.1", "[::1]"])
      (await connect(new URL(`http://${host}:${port}`))).terminate();
    expect(hosts).toEqual([`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]);
  });

  it("leads to the first address where the runtime is told not to try several", async () => {
    const several = getDefaultAutoSelectFamily();
    setDefaultAutoSelectFamily(false);
    const server = await serveEcho({ host: "::" });
    const connection = await connect(`ws://localhost:${server.port}/`);
    connection.terminate();
    setDefaultAutoSelectFamily(several);
  });

  it("leads over a Unix domain socket", async () => {
    const folder = mkdtempSync(join(tmpdir(), "openline-socket-"));
    const socketPath = join(folder, "s");
    const server = await rawServer((request) => `${acceptance(request)}\x81\x02hi`, { path: socketPath });
    const connection = await connect("ws://example.com/path", { socketPath });
    expect(await next(connection)).toBe("hi");
    expect(server.requests[0]!.values("host")).toEqual(["example.com"]);
    connection.terminate();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it("leads over any stream that the caller makes [G9 G51 G52]", async () => {
    const [near, far] = duplexPair();
    const http = createHttpServer().on("upgrade", (request, socket, head) => {
      void accept(request, socket, head, { message: (connection, data) => void connection.send(data) });
    });
    http.emit("connection", far);
    const targets: unknown[] = [];
    const connection = await connect("ws://server.test:1234/", {
      createConnection: async ({ signal, ...target }) => {
        targets.push(target, signal.aborted);
        return near;
      },
    });
    expect(targets).toEqual([{ host: "server.test", port: 1234, secure: false }, false]);
    const { remoteAddress, remotePort, localAddress, localPort } = connection;
    expect([remoteAddress, remotePort, localAddress, localPort]).toEqual([undefined, undefined, undefined, undefined]);
    connection.send("over a pair of streams");
    expect(await next(connection)).toBe("over a pair of streams");
    connection.close();
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
  });
});

describe("one opening handshake per address and port at a time [R6455-4.1-2]", () => {
  /** The largest number of handshakes under way at once, with a server that answers `together` of them at a time. */
  async function countTogether(
    options: Parameters<typeof connect>[1],
    hosts: readonly string[],
    together: number,
  ): Promise<number> {
    const waiting: (() => void)[] = [];
    let most = 0;
    const server = await serveRaw((request, socket) => {
      most = Math.max(
        most,
        waiting.push(() => void socket.write(acceptance(request))),
      );
      if (waiting.length < together) return undefined;
      setTimeout(() => {
        for (const answer of waiting.splice(0)) answer();
      }, 10);
      return undefined;
    });
    const urls = hosts.map((host) => `ws://${host}:${server.port}/`);
    const connections = await Promise.all(urls.map((url) => connect(url, options)));
    for (const connection of connections) connection.terminate();
    return most;
  }

  it("holds for one name and for several", async () => {
    expect(await countTogether({}, ["127.0.0.1", "127.0.0.1", "localhost", "2130706433"], 1)).toBe(1);
  });

  it("holds for a name where the address is not known [R6455-4.1-3]", async () => {
    const answers: (() => void)[] = [];
    const server = await serveRaw((request, socket) => {
      answers.push(() => void socket.write(acceptance(request)));
      return undefined;
    });
    const createConnection = () => netConnect(server.port, "127.0.0.1");
    const both = (urls: string[]) => Promise.all(urls.map((url) => connect(url, { createConnection })));
    const same = both(["ws://a.test/", "ws://a.test/x"]);
    await until(() => answers.length === 1);
    // The second handshake would come in this time if it did not wait for the first.
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(answers).toHaveLength(1);
    answers.pop()!();
    await until(() => answers.length === 1);
    answers.pop()!();
    const different = both(["ws://a.test/", "ws://b.test/"]);
    await until(() => answers.length === 2);
    for (const answer of answers) answer();
    const connections = [...(await same), ...(await different)];
    for (const connection of connections) connection.terminate();
  });

  it("runs beside others up to a limit for all addresses together [R6455-4.1-3]", async () => {
    const requests: (() => void)[] = [];
    const server = await serveRaw((request, socket) => {
      requests.push(() => void socket.write(acceptance(request)));
      return undefined;
    });
    const createConnection = () => netConnect(server.port, "127.0.0.1");
    const connecting = Array.from({ length: maxHandshakes + 5 }, (_, index) => {
      return connect(`ws://host${index}.test/`, { createConnection });
    });
    const together = connect("ws://another.test/", { createConnection, serialize: false });
    await until(() => requests.length > maxHandshakes);
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    expect(requests).toHaveLength(maxHandshakes + 1);
    for (const answer of requests.splice(0)) answer();
    await until(() => requests.length === 5);
    for (const answer of requests) answer();
    for (const connection of await Promise.all([...connecting, together])) connection.terminate();
  });

  it("does not hold with serialize: false", async () => {
    expect(await countTogether({ serialize: false }, ["127.0.0.1", "127.0.0.1", "127.0.0.1"], 3)).toBe(3);
  });

  it("can be given up while it waits, and the others keep their order", async () => {
    const answers: (() => void)[] = [];
    const server = await serveRaw((request, socket) => {
      answers.push(() => socket.write(acceptance(request)));
      return undefined;
    });
    const abort = new AbortController();
    const order: string[] = [];
    const open = (name: string, signal?: AbortSignal) =>
      connect(`ws://127.0.0.1:${server.port}/${name}`, { ...(signal && { signal }) }).then(
        (connection) => {
          order.push(name);
          connection.terminate();
        },
        () => void order.push(`not ${name}`),
      );
    const all = [open("first"), open("second", abort.signal), open("third")];
    await until(() => answers.length === 1);
    abort.abort();
    await all[1];
    expect(server.requests).toHaveLength(1);
    answers.shift()!();
    await until(() => answers.length === 1);
    answers.shift()!();
    await Promise.all(all);
    expect(order).toEqual(["not second", "first", "third"]);
    expect(server.requests.map(({ target }) => target)).toEqual(["/first", "/third"]);
  });
});

/** Two streams, each of which reads what the other writes. */
function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const make = (other: number) =>
    new Duplex({
      read() {},
      write(chunk: Buffer, _, done) {
        ends[other]!.push(chunk);
        done();
      },
      final(done) {
        ends[other]!.push(null);
        done();
      },
    });
  ends.push(make(1), make(0));
  return [ends[0]!, ends[1]!];
}
