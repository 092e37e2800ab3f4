/**
 * What a runtime has to do with the package, one probe after another; prints one JSON of the name of each and what came of it.
 *
 * Plain JavaScript, which every runtime reads. It stands in a folder in which the packed package is installed.
 */
import { createServer } from "node:http";
import { connect, ReconnectingWebSocket, reconnecting, serve, WebSocket } from "openline";
import { connectionPair } from "openline/testing";
import { WebSocketServer, WebSocket as WsWebSocket } from "openline/ws";

/** The most time for one probe, in milliseconds: the end of what hangs. */
const patience = 20_000;

const echo = { message: (connection, data) => void connection.send(data) };

async function withServer(options, use) {
  const server = await serve({ port: 0, host: "127.0.0.1", ...options });
  try {
    return await use(`ws://127.0.0.1:${server.port}`, server);
  } finally {
    await server.close();
  }
}

/** What the client gets back for each of the messages, in order. */
async function answers(url, messages, options) {
  const connection = await connect(url, options);
  for (const message of messages) connection.send(message);
  const got = [];
  for await (const data of connection) {
    got.push(data);
    if (got.length === messages.length) break;
  }
  connection.close();
  const { code } = await connection.closed;
  same(code, 1000);
  return got;
}

function same(value, wanted) {
  if (value !== wanted) throw new Error(`${String(value).slice(0, 100)} instead of ${String(wanted).slice(0, 100)}`);
}

function event(target, name) {
  return new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));
}

const probes = {
  "text and binary, there and back": () =>
    withServer({ routes: { "/": echo } }, async (url) => {
      const [text, bytes] = await answers(url, ["tea ☕", Uint8Array.of(1, 2, 255)]);
      same(text, "tea ☕");
      same([...bytes].join(), "1,2,255");
    }),
  "a burst of short messages": () =>
    withServer({ routes: { "/": echo } }, async (url) => {
      const messages = Array.from({ length: 1000 }, (_, index) => `message ${index}`);
      same((await answers(url, messages)).join(), messages.join());
    }),
  "16 MiB": () =>
    withServer({ routes: { "/": echo } }, async (url) => {
      const bytes = new Uint8Array(16 * 1024 * 1024).map((_, index) => index * 7);
      const [back] = await answers(url, [bytes]);
      same(back.length, bytes.length);
      same(
        back.every((byte, index) => byte === bytes[index]),
        true,
      );
    }),
  compression: () =>
    withServer({ compression: true, routes: { "/": echo } }, async (url) => {
      const messages = ["a".repeat(300), "b".repeat(100_000), JSON.stringify({ list: [...Array(200).keys()] })];
      same((await answers(url, messages)).join(), messages.join());
    }),
  "upgrade: data, cookies, a refusal": () =>
    withServer(
      {
        routes: {
          "/:room": {
            upgrade: ({ params, cookies }) =>
              params.room === "closed"
                ? new Response("closed", { status: 403 })
                : { data: `${params.room} ${cookies.get?.("who") ?? cookies.who}` },
            open: (connection) => void connection.send(connection.data),
          },
        },
      },
      async (url) => {
        const connection = await connect(`${url}/tea`, { headers: { Cookie: "who=ada" } });
        for await (const data of connection) {
          same(data, "tea ada");
          break;
        }
        connection.close();
        await connection.closed;
        const refused = await connect(`${url}/closed`).catch((error) => error);
        same(refused.status, 403);
      },
    ),
  "topics, and the address of a client": () =>
    withServer(
      {
        routes: {
          "/": {
            open: (connection) => {
              connection.subscribe("all");
              connection.send(connection.remoteAddress);
            },
          },
        },
      },
      async (url, server) => {
        const clients = await Promise.all([connect(url), connect(url)]);
        const heard = clients.map(async (client) => {
          const got = [];
          for await (const data of client) if (got.push(data) === 2) return got.join();
        });
        while (server.publish("all", "hear").reached < 2) await new Promise((resolve) => setTimeout(resolve, 10));
        same(
          (await Promise.all(heard)).every((got) => got.startsWith("127.0.0.1,")),
          true,
        );
        for (const client of clients) client.terminate();
      },
    ),
  "on a server of node:http, beside plain requests": async () => {
    const http = createServer((_, response) => response.end("plain"));
    const server = await serve({ server: http, routes: { "/": echo } });
    await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address();
    same((await answers(`ws://127.0.0.1:${port}`, ["tea"]))[0], "tea");
    same(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "plain");
    await server.close();
    await new Promise((resolve) => http.close(resolve));
  },
  "plain requests to a listener of our own": () =>
    withServer({ request: (_, response) => response.end("plain"), routes: { "/": echo } }, async (url) => {
      same(await (await fetch(url.replace("ws:", "http:"))).text(), "plain");
    }),
  "backpressure: 64 MiB to a client at its own pace": () =>
    withServer(
      {
        routes: {
          "/": {
            open: async (connection) => {
              for (let sent = 0; sent < 64; sent++) {
                if (!connection.send(new Uint8Array(1024 * 1024))) await connection.ready;
              }
              connection.close(1000);
            },
          },
        },
      },
      async (url) => {
        const connection = await connect(url);
        let received = 0;
        for await (const data of connection) received += data.length;
        same(received, 64 * 1024 * 1024);
        same((await connection.closed).code, 1000);
      },
    ),
  "Ping and Pong": () =>
    withServer({ routes: { "/": echo } }, async (url) => {
      const connection = await connect(url);
      same((await connection.ping()) >= 0, true);
      connection.close();
      await connection.closed;
    }),
  "WebSocket as in a browser": () =>
    withServer({ routes: { "/": echo } }, async (url) => {
      const socket = new WebSocket(url);
      await event(socket, "open");
      socket.send("tea");
      same((await event(socket, "message")).data, "tea");
      socket.close(1000, "done");
      const { code, wasClean } = await event(socket, "close");
      same(`${code} ${wasClean}`, "1000 true");
    }),
  "the runtime's own WebSocket against our server": () =>
    withServer({ compression: true, routes: { "/": { ...echo, origin: "any" } } }, async (url) => {
      if (globalThis.WebSocket === undefined) return;
      const socket = new globalThis.WebSocket(url);
      await event(socket, "open");
      socket.send("tea".repeat(200));
      same((await event(socket, "message")).data, "tea".repeat(200));
      socket.close();
      await event(socket, "close");
    }),
  "ReconnectingWebSocket and reconnecting": () =>
    withServer({ routes: { "/": echo } }, async (url) => {
      const socket = new ReconnectingWebSocket(url);
      socket.send("queued");
      same((await event(socket, "message")).data, "queued");
      socket.close();
      await event(socket, "close");
      for await (const connection of reconnecting(url)) {
        connection.send("tea");
        for await (const data of connection) {
          same(data, "tea");
          break;
        }
        break;
      }
    }),
  "drain and close": () =>
    withServer({ routes: { "/": echo } }, async (url, server) => {
      const connection = await connect(url);
      await server.drain({ over: 0, retryAfter: 3 });
      const { code, reason } = await connection.closed;
      same(`${code} ${reason}`, "1012 The server is draining; retry-after=3");
    }),
  "a pair without a port": async () => {
    const pair = await connectionPair(echo);
    pair.client.send("tea");
    for await (const data of pair.client) {
      same(data, "tea");
      break;
    }
    pair.client.terminate();
  },
  "openline/ws": async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await new Promise((resolve) => server.once("listening", resolve));
    server.on("connection", (socket) =>
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
    );
    const client = new WsWebSocket(`ws://127.0.0.1:${server.address().port}`);
    await new Promise((resolve) => client.once("open", resolve));
    client.send("tea");
    same(String(await new Promise((resolve) => client.once("message", resolve))), "tea");
    client.close(1000);
    await new Promise((resolve) => client.once("close", resolve));
    await new Promise((resolve) => server.close(resolve));
  },
};

const outcomes = {};
for (const [name, probe] of Object.entries(probes)) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("not done in time")), patience);
  });
  outcomes[name] = await Promise.race([probe(), late]).then(
    () => "ok",
    (error) => String(error?.message ?? error),
  );
  clearTimeout(timer);
}
console.log(JSON.stringify(outcomes));
process.exit(0);
