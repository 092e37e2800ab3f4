/** Both forms dial as `connect` does: redirects, cookies, a stream of the program's own. */
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { expect, test } from "vitest";
import { reconnecting } from "../../../src/client/reconnecting/reconnecting.ts";
import { ReconnectingWebSocket } from "../../../src/client/reconnecting/reconnecting-websocket.ts";
import type { DialTarget } from "../../../src/index.ts";
import { afterwards, serving } from "../../support/serving.ts";

/** A server that redirects with a cookie, and what of requests came to the end. */
async function redirecting(): Promise<{ readonly url: string; readonly cookies: (string | undefined)[] }> {
  const cookies: (string | undefined)[] = [];
  const server = await serving({
    port: 0,
    routes: {
      "/": {
        upgrade: () => new Response("", { status: 307, headers: { Location: "/inside", "Set-Cookie": "seen=1" } }),
      },
      "/inside": {
        upgrade: ({ request }) => {
          cookies.push(request.headers.cookie);
          return {};
        },
      },
    },
  });
  return { url: `ws://127.0.0.1:${server.port}/`, cookies };
}

function options(dialled: DialTarget[]) {
  let stored = "";
  return {
    followRedirects: 1,
    cookieJar: {
      getCookieString: () => stored,
      setCookie: (cookie: string) => {
        stored = cookie;
      },
    },
    createConnection: (target: DialTarget) => {
      dialled.push(target);
      return connectSocket(target.port, target.host);
    },
  };
}

test("ReconnectingWebSocket follows redirects, keeps cookies, and connects over the program's streams", async () => {
  const { url, cookies } = await redirecting();
  const dialled: DialTarget[] = [];
  const socket = new ReconnectingWebSocket(url, [], { socket: options(dialled) });
  afterwards(() => socket.close());
  await once(socket, "open");
  expect(cookies).toEqual(["seen=1"]);
  expect(dialled).toHaveLength(2);
});

test("reconnecting does the same, in each round", async () => {
  const { url, cookies } = await redirecting();
  const dialled: DialTarget[] = [];
  let rounds = 0;
  for await (const _ of reconnecting(url, { ...options(dialled), reconnect: { firstDelay: 5 } })) {
    if (++rounds === 2) break;
  }
  expect(cookies).toEqual(["seen=1", "seen=1"]);
  expect(dialled).toHaveLength(4);
});
