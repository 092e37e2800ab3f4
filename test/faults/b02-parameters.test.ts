/** B02: windows and parameters of permessage-deflate that zlib has never heard of, from either side. */
import { createInflateRaw } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { RawPeer, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { acceptance, type RawServer, rawServer } from "../support/raw-server.ts";
import { echoesOn, startTarget } from "../support/target.ts";

/** Values of a window's parameter that are none. */
const badBits = [
  "7",
  "16",
  "0",
  "-1",
  "+9",
  "08",
  "015",
  "8.5",
  "1e1",
  "0x9",
  "99999999999999999999",
  "NaN",
  "ten",
  '""',
];
const goodBits = ["8", "9", "12", "15", '"10"'];
const repeatable = ["server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits=10"];
/** What is wrong besides, whichever side says it. */
const badParameters = [
  ...repeatable.map((parameter) => `${parameter}; ${parameter}`),
  "server_no_context_takeover=1",
  "client_no_context_takeover=true",
  "server_max_window_bits=10; server_max_window_bits=11",
  "unknown",
  "__proto__",
  "constructor=1",
];

const offered = [
  ...badBits.flatMap((bits) => [`server_max_window_bits=${bits}`, `client_max_window_bits=${bits}`]),
  ...badParameters,
  "server_max_window_bits",
].map((parameters) => [parameters, false] as const);
const offeredWell = ["server", "client"]
  .flatMap((side) => goodBits.map((bits) => `${side}_max_window_bits=${bits}`))
  .concat("client_max_window_bits", "server_no_context_takeover; client_no_context_takeover")
  .map((parameters) => [parameters, true] as const);

const servers: RawServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

test(`B02: a server takes or declines ${offered.length + offeredWell.length} offers, and lives`, async () => {
  const target = await startTarget({ what: "ours", role: "server", options: { compression: true } });
  for (const [parameters, good] of [...offered, ...offeredWell]) {
    const headers = { "Sec-WebSocket-Extensions": `permessage-deflate; ${parameters}` };
    const peer = await sendRaw(target.port, requestText({ headers }));
    const head = await readHead(peer);
    // An empty value is none in the grammar of the field itself.
    const status = parameters.endsWith('""') ? "400" : "101";
    expect([parameters, head.slice(9, 12), head.includes("permessage-deflate")]).toEqual([parameters, status, good]);
    if (status === "101") expect(await echoesOn(peer)).toBe(true);
    peer.socket.destroy();
  }
  expect(await target.echoes()).toBe(true);
});

test("B02 control: a server that gives zlib what it was offered does not live", { tags: "slow" }, async () => {
  const target = await startTarget({ what: "trusts windows", role: "server", dies: true });
  const headers = { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=16" };
  const peer = await sendRaw(target.port, requestText({ headers }));
  await peer.until(() => false);
  await expect(target.look()).rejects.toThrow("has ended");
  peer.socket.destroy();
});

describe("client", () => {
  /** What becomes of `connect` when a server answers its offer so. */
  async function outcome(parameters: string): Promise<"open" | "refused"> {
    const server = await rawServer((request, socket) => {
      new RawPeer(socket, "server").socket.resume();
      return acceptance(request, { "Sec-WebSocket-Extensions": `permessage-deflate; ${parameters}` });
    });
    servers.push(server);
    const opening = connect(`ws://127.0.0.1:${server.port}`, { compression: { serverNoContextTakeover: false } });
    return opening.then(
      (connection) => {
        connection.terminate();
        return "open";
      },
      (error: Error) => {
        expect(error.message).toMatch(/extension|permessage-deflate/);
        return "refused";
      },
    );
  }

  const answeredBadly = [
    ...badBits.flatMap((bits) => [`server_max_window_bits=${bits}`, `client_max_window_bits=${bits}`]),
    ...badParameters,
    "server_max_window_bits",
    "client_max_window_bits",
  ];

  test(`B02: refuses ${answeredBadly.length} answers, and throws nothing of zlib's`, async () => {
    for (const parameters of answeredBadly) {
      expect([parameters, await outcome(parameters)]).toEqual([parameters, "refused"]);
    }
  });

  test("B02: takes the windows that there are", async () => {
    for (const bits of ["8", "9", "12", '"10"']) {
      expect(await outcome(`server_max_window_bits=${bits}; client_max_window_bits=${bits}`)).toBe("open");
    }
  });

  test.each(["7", "16", "0", "-1", "99999999999999999999"])(
    "B02 control: zlib throws at a window of %s",
    { tags: "slow" },
    (bits) => {
      expect(() => createInflateRaw({ windowBits: Number(bits) })).toThrow(RangeError);
    },
  );
});
