/** The handshake through `node:http`, which has to agree with every message of it. */
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { describe, expect, it } from "vitest";
import { handshakeRules } from "../../../src/protocol/handshake/handshake-error.ts";
import { createRefusal } from "../../../src/protocol/handshake/refusal.ts";
import { createRequestHeaders, verifyRequest } from "../../../src/protocol/handshake/request.ts";
import { createResponse, verifyResponse } from "../../../src/protocol/handshake/response.ts";
import { good, requestFields, values } from "../../support/handshake-fields.ts";

describe("through node:http", () => {
  async function listen(server: Server): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  it("what one side creates, the other verifies [R6455-4.1-9 R6455-4.2.2-8]", async () => {
    const server = createServer();
    server.on("upgrade", ({ method = "", httpVersion, url = "", rawHeaders }, socket) => {
      const verified = verifyRequest({ method, httpVersion, target: url, rawHeaders });
      if (!verified.ok) return socket.end(createRefusal(verified.refusal));
      const { secWebSocketKey, subprotocols } = verified;
      const head = createResponse({ secWebSocketKey, subprotocol: subprotocols[1], extensions: "x; y=1" });
      return socket.end(head, "latin1");
    });
    const port = await listen(server);
    const url = new URL(`ws://127.0.0.1:${port}/chat`);
    const { secWebSocketKey, headers } = createRequestHeaders({ url, subprotocols: ["a", "b"], extensions: "x; y" });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpRequest({ host: url.hostname, port, path: "/chat", headers: headers.flat(), setHost: false });
      request.on("upgrade", resolve).on("response", resolve).on("error", reject).end();
    });
    const { statusCode = 0, httpVersion, rawHeaders } = response;
    expect(
      verifyResponse(
        { status: statusCode, httpVersion, rawHeaders },
        { secWebSocketKey, subprotocols: ["a", "b"], extensionsOffered: true },
      ),
    ).toEqual({ subprotocol: "b", extensions: [{ name: "x", parameters: [["y", "1"]] }] });
    response.socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it("a refusal is one whole response, after which the connection ends [R6455-4.4-1 C08]", async () => {
    const server = createTcpServer((socket) => {
      const verified = verifyRequest({ ...good, rawHeaders: requestFields(values("Sec-WebSocket-Version", "7")) });
      socket.resume().end(verified.ok ? "" : createRefusal(verified.refusal));
    });
    const port = await listen(server);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest({ host: "127.0.0.1", port }).on("response", resolve).on("error", reject).end();
    });
    let body = "";
    for await (const chunk of response) body += chunk;
    expect(response.statusCode).toBe(426);
    expect(response.statusMessage).toBe("Upgrade Required");
    expect(response.headers["sec-websocket-version"]).toBe("13");
    expect(response.complete).toBe(true);
    expect(body).toBe(`Cannot open the connection: ${handshakeRules["unsupported-version"].text}\n`);
    await new Promise((resolve) => server.close(resolve));
  });
});
