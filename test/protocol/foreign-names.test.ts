import { createServer } from "node:http";
import { PassThrough } from "node:stream";
import { describe, expect, it, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { resolveKeepalive } from "../../src/connection/options/keepalive-options.ts";
import { connectionLimits, resolveLimits, serverLimits } from "../../src/connection/options/limits.ts";
import { checkSendOptions } from "../../src/connection/sending/send-options.ts";
import { foreignNames } from "../../src/protocol/foreign-names.ts";
import { compressionSettings } from "../../src/protocol/handshake/permessage-deflate.ts";
import { accept } from "../../src/server/accept.ts";
import { serve } from "../../src/server/server.ts";

/** Hands options to whoever takes them, as a program without types would; a server that it begins shares this one. */
const takers: Record<keyof typeof foreignNames, (options: object) => unknown> = {
  connect: (options) => connect("ws://localhost:1/", options),
  serve: (options) => serve({ server: createServer(), routes: {}, ...options }),
  route: (options) => serve({ server: createServer(), routes: { "/": options } }),
  accept: (options) => accept({} as never, new PassThrough(), new Uint8Array(0), options),
  send: (options) => checkSendOptions(options),
  limits: (options) => resolveLimits(connectionLimits, options),
  keepalive: (options) => resolveKeepalive(options),
  compression: (options) => compressionSettings(options),
};

const refusal = async (kind: keyof typeof foreignNames, options: object): Promise<unknown> => {
  try {
    return await takers[kind](options);
  } catch (error) {
    return error;
  }
};

const all = Object.entries(foreignNames).flatMap(([kind, names]) =>
  Object.entries(names).map(([name, text]) => [kind as keyof typeof foreignNames, name, text] as const),
);

describe("a name of another library", () => {
  it.each(all)("given to %s, %s is refused with what to use instead", async (kind, name, text) => {
    const error = await refusal(kind, { [name]: 1 });
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(/^Cannot [^:]+: there is no (?:option|limit) /);
    expect((error as Error).message).toContain(`"${name}"; ${text}`);
    expect(text).toMatch(/^[^A-Z].*[^.]$|^Pings/);
  });

  // What other libraries call it: the option that must be named.
  test.each<[kind: keyof typeof foreignNames, name: string, named: RegExp]>([
    ["connect", "maxPayload", /limits\.maxMessageSize/],
    ["connect", "perMessageDeflate", /compression/],
    ["connect", "protocols", /subprotocols/],
    ["connect", "agent", /proxy and createConnection/],
    ["connect", "rejectUnauthorized", /tls: \{/],
    ["connect", "maxRedirects", /followRedirects/],
    ["connect", "closeTimeout", /limits\.closeTimeout/],
    ["connect", "onmessage", /"message"/],
    ["serve", "maxPayload", /limits\.maxMessageSize/],
    ["serve", "verifyClient", /upgrade.*origin/],
    ["serve", "handleProtocols", /subprotocols.*upgrade/],
    ["serve", "clientTracking", /server\.connections/],
    ["serve", "noServer", /server; accept/],
    ["serve", "backlog", /listenOptions/],
    ["serve", "path", /routes.*listenOptions\.path/],
    ["serve", "handshakeTimeout", /limits\.handshakeTimeout/],
    ["serve", "maxConnections", /limits\.maxConnections/],
    ["serve", "skipUTF8Validation", /text: "bytes"/],
    ["serve", "pingInterval", /keepalive: \{ interval/],
    ["serve", "pingTimeout", /keepalive: \{ interval, timeout/],
    ["serve", "message", /routes: \{ "\/": \{ message/],
    ["serve", "onmessage", /routes: \{ "\/": \{ message/],
    ["route", "idleTimeout", /keepalive: \{ interval, timeout/],
    ["route", "maxBackpressure", /limits\.outboxHighWaterMark.*limits\.maxOutboxSize/],
    ["route", "onmessage", /"message"/],
    ["route", "port", /for serve/],
    ["accept", "path", /request\.url/],
    ["limits", "maxPayload", /maxMessageSize/],
    ["keepalive", "pingInterval", /"interval"/],
    ["compression", "zlibDeflateOptions", /level and memLevel/],
  ])("%s: %s leads to what is meant", async (kind, name, named) => {
    expect(await refusal(kind, { [name]: 1 })).toMatchObject({
      name: "TypeError",
      message: expect.stringMatching(named),
    });
  });

  it("is looked up only where there is no option of that name", () => {
    expect(resolveLimits(serverLimits, { handshakeTimeout: 5 }).handshakeTimeout).toBe(5);
    expect(() => resolveLimits(connectionLimits, { handshakeTimeout: 5 } as never)).toThrow("an option beside limits");
  });
});
