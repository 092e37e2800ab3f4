import { createServer as createHttpServer } from "node:http";
import { createServer as createNetServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { expect, test } from "vitest";
import { serve } from "../../src/server/server.ts";

test.each<[string, object]>([
  ["a path without /", { routes: { echo: {} } }],
  ["an unknown limit", { routes: {}, limits: { maxSize: 1 } }],
  ["a bad origin", { routes: { "/": { origin: ["*"] } } }],
])("serve rejects %s", async (_, options) => {
  await expect(serve(options as never)).rejects.toThrow(TypeError);
});

test.each<[string, unknown]>([
  ["the options must be an object, not undefined", undefined],
  ["there are no routes", { port: 0 }],
  [
    'the routes must be an object of paths, such as { "/chat": { … } }, not a Map or a list',
    { routes: new Map([["/chat", {}]]) },
  ],
  ['the option "routes" must be an object, not a function', { routes: () => {} }],
  ['there is no option "compresion"; did you mean "compression"?', { routes: {}, compresion: true }],
  ['the option "port" must be a number, not "9998"', { routes: {}, port: "9998" }],
  ['the option "subprotocols" must be an array, not "chat"', { routes: {}, subprotocols: "chat" }],
  ...(
    [
      [() => {}, "a function"],
      [{ listen: () => {}, on: () => {} }, "an object"],
      [8080, "8080"],
      [null, "null"],
    ] as const
  ).map(([server, words]): [string, unknown] => [
    `the option "server" must be an HTTP server, such as createServer(app) makes and app.listen(port) gives, not ${words}`,
    { routes: {}, server },
  ]),
  [
    'the option "port" is for a listener of our own, and there is a server to share',
    { routes: {}, port: 1, server: createHttpServer() },
  ],
])("Cannot serve: %s", async (message, options) => {
  await expect(serve(options as never)).rejects.toThrow(new TypeError(`Cannot serve: ${message}`));
});

test.each<[string, unknown]>([
  ['there is no option "onmessage"; did you mean "message"?', { onmessage: () => {} }],
  ['there is no option "mesage"; did you mean "message"?', { mesage: () => {} }],
  ['the option "message" must be a function, not "echo"', { message: "echo" }],
  ["the options must be an object, not a function", () => {}],
])('Cannot serve "/chat": %s', async (message, chat) => {
  const options = { routes: { "/chat": chat } };
  await expect(serve(options as never)).rejects.toThrow(new TypeError(`Cannot serve "/chat": ${message}`));
});

test("serve rejects an unknown form of text", async () => {
  await expect(serve({ routes: {}, text: "utf8" as never })).rejects.toThrow(
    new TypeError('Cannot deliver text as "utf8": it comes as "string" or as "bytes"'),
  );
});

test.each<[string, object, RegExp]>([
  [
    "the path of a certificate",
    { cert: "/etc/tls/cert.pem", key: "/etc/tls/key.pem" },
    /tls\.cert must be the PEM text/,
  ],
  ["the path of a key", { cert: "-----BEGIN CERTIFICATE-----", key: "key.pem" }, /tls\.key .*readFileSync\(path\)/],
  ["the path of a key in a list", { cert: "-----BEGIN CERTIFICATE-----", key: [{ pem: "key.pem" }] }, /tls\.key must/],
  ["the path of an authority in a list", { ca: ["ca.pem"] }, /tls\.ca must be the PEM text/],
  ["no certificate at all", { certFile: "cert.pem" }, /tls has no certificate; it needs cert and key/],
])("Cannot serve: %s in tls", async (_, tls, message) => {
  await expect(serve({ routes: {}, tls })).rejects.toThrow(message);
  await expect(serve({ routes: {}, tls })).rejects.not.toThrow(/key\.pem|ca\.pem/);
});

test.each([
  ["node:net", () => createNetServer()],
  ["node:tls", () => createTlsServer()],
])("serve rejects a server of %s as `server`, since it reads no HTTP", async (_, create) => {
  await expect(serve({ server: create() as never, routes: {} })).rejects.toThrow(
    /^Cannot serve: the option "server" is a server of node:net or node:tls, which reads no HTTP/,
  );
});

test("serve rejects a certificate without its key", async () => {
  const cert = "-----BEGIN CERTIFICATE-----\n";
  await expect(serve({ tls: { cert }, routes: {} })).rejects.toThrow(
    new TypeError("Cannot serve: tls has cert but no key, the PEM text of the certificate's private key"),
  );
});
