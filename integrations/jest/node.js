/** Copied into a CommonJS package, and run by Jest as it is: what `require` gives works. */
const { connect, serve } = require("openline");
const { connect: connectInPages } = require("openline/browser");
const { Endpoint } = require("openline/protocol");
const { connectionPair } = require("openline/testing");
const WebSocket = require("openline/ws");

test("a message goes there and back, as text and as binary, small and large", async () => {
  const server = await serve({
    host: "127.0.0.1",
    port: 0,
    routes: { "/": { message: (connection, data) => void connection.send(data) } },
  });
  const echoed = [];
  const connection = await connect(`ws://127.0.0.1:${server.port}`, {
    message: (_, data) => void echoed.push(typeof data === "string" ? data : Buffer.from(data).toString("hex")),
  });
  const sent = ["", "text", "é".repeat(100_000), Uint8Array.of(1, 2), Buffer.alloc(300_000, 7), new ArrayBuffer(3)];
  for (const data of sent) connection.send(data);
  while (echoed.length < sent.length) await new Promise(setImmediate);
  expect(echoed).toEqual([...sent.slice(0, 3), ...sent.slice(3).map((data) => Buffer.from(data).toString("hex"))]);
  connection.close();
  expect((await connection.closed).code).toBe(1000);
  await server.close();
});

test("a compressed message goes there and back", async () => {
  const server = await serve({
    host: "127.0.0.1",
    port: 0,
    compression: true,
    routes: { "/": { message: (connection, data) => void connection.send(data) } },
  });
  const text = "again and ".repeat(30_000);
  const echoed = await new Promise((resolve, reject) => {
    connect(`ws://127.0.0.1:${server.port}`, { compression: true, message: (_, data) => resolve(data) }).then(
      (connection) => connection.send(text),
      reject,
    );
  });
  expect(echoed === text).toBe(true);
  await server.close();
});

test("a pair without a port talks", async () => {
  const { client } = await connectionPair({ message: (connection, data) => void connection.send(data) });
  client.send("text");
  for await (const message of client) {
    expect(message).toBe("text");
    client.close();
  }
});

test("the drop-in for ws is the class, and talks", async () => {
  const server = new WebSocket.Server({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) =>
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  await new Promise((resolve) => server.on("listening", resolve));
  const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`);
  expect(client).toBeInstanceOf(WebSocket.WebSocket);
  client.on("open", () => client.send("text"));
  expect(`${await new Promise((resolve) => client.on("message", resolve))}`).toBe("text");
  client.close(1000);
  expect(await new Promise((resolve) => client.on("close", resolve))).toBe(1000);
  await new Promise((resolve) => server.close(resolve));
});

test("the other entries are there", () => {
  expect(new Endpoint({ role: "server" }).state).toBe("open");
  expect(typeof connectInPages).toBe("function");
});
