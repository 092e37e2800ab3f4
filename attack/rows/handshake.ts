/** Rows C: the opening handshake. Requests are tables; what the server must never do with them is judged. */
import { Op } from "../../conformance/wire/frame.ts";
import { atMost, filesReturn, growsLess, is, MIB, notes, sees } from "../judge.ts";
import type { Arena, Row, Seen } from "../row.ts";
import { type Attacker, frame, requestText, sleep, upgradeRequest } from "../wire.ts";

const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const BASE = ["Upgrade: websocket", "Connection: Upgrade"];
const VERSION = "Sec-WebSocket-Version: 13";

interface Asked {
  readonly attacker: Attacker;
  readonly ms: number;
}

async function ask(arena: Arena, text: string | Buffer, ms = 2000): Promise<Asked> {
  const attacker = await arena.tcp();
  const startedAt = performance.now();
  attacker.write(text);
  await attacker.answered(ms);
  return { attacker, ms: performance.now() - startedAt };
}

/** Sends each request on a socket of its own; says how many were accepted, refused, dropped, or left without an answer. */
async function askAll(arena: Arena, requests: Readonly<Record<string, string>>): Promise<Seen> {
  const accepted: string[] = [];
  let [refused, dropped, silent, slowest] = [0, 0, 0, 0];
  for (const [name, text] of Object.entries(requests)) {
    const { attacker, ms } = await ask(arena, text);
    slowest = Math.max(slowest, ms);
    if (attacker.status === 101) accepted.push(name);
    else if (attacker.status > 0) refused++;
    else if (attacker.end !== "open") dropped++;
    else silent++;
    attacker.destroy();
  }
  return {
    requests: Object.keys(requests).length,
    accepted: accepted.length,
    acceptedOnes: accepted.length > 8 ? `${accepted.slice(0, 8).join(", ")} …` : accepted.join(", ") || "none",
    refused,
    dropped,
    silent,
    slowestMs: Math.round(slowest),
  };
}

function manyHeaders({ url }: Arena): Record<string, string> {
  // Short names, so that 2001 of them stay below the 16 KiB that Node reads as a head.
  const lines = (count: number): string[] => Array.from({ length: count }, () => "a:");
  const first = (count: number): string =>
    requestText(url, [...lines(count), `Host: ${url.host}`, ...BASE, VERSION, KEY]);
  const last = (count: number): string =>
    requestText(url, [`Host: ${url.host}`, ...BASE, VERSION, KEY, ...lines(count)]);
  return {
    "90 before": first(90),
    "1999 before": first(1999),
    "2001 before": first(2001),
    "3000 before": first(3000),
    "2001 behind": last(2001),
    "no fields at all": requestText(url, []),
    "only Connection": requestText(url, ["Connection: Upgrade"]),
    "Connection alone of the upgrade's": requestText(url, [`Host: ${url.host}`, "Connection: Upgrade", VERSION, KEY]),
    "Upgrade without Connection": requestText(url, [`Host: ${url.host}`, "Upgrade: websocket", VERSION, KEY]),
    "65 KiB in one field": upgradeRequest(url, [`X: ${"x".repeat(65_000)}`]),
  };
}

function slowValues({ url }: Arena): Record<string, string> {
  const gap = " ".repeat(15_000);
  const values: Record<string, string> = {
    "Sec-WebSocket-Protocol with a gap": `Sec-WebSocket-Protocol: b${gap}x`,
    "Sec-WebSocket-Protocol of commas": `Sec-WebSocket-Protocol: ${",".repeat(15_000)}`,
    "Sec-WebSocket-Protocol of many": `Sec-WebSocket-Protocol: ${Array.from({ length: 2500 }, (_, i) => `p${i}`).join(",")}`,
    "Sec-WebSocket-Extensions with a gap": `Sec-WebSocket-Extensions: b${gap}x`,
    "Sec-WebSocket-Extensions of semicolons": `Sec-WebSocket-Extensions: permessage-deflate${"; a".repeat(4500)}`,
    "Sec-WebSocket-Extensions of offers": `Sec-WebSocket-Extensions: ${"permessage-deflate,".repeat(750)}x`,
    "Sec-WebSocket-Extensions with an open quote": `Sec-WebSocket-Extensions: a; b="${"\\a".repeat(7000)}`,
    "Sec-WebSocket-Extensions of tabs": `Sec-WebSocket-Extensions: a; b=${"\t".repeat(14_000)}c`,
    "Connection of tokens": `Connection: ${"keep-alive, ".repeat(1200)}Upgrade`,
    "Origin with a gap": `Origin: http://${gap}x`,
    "Cookie of many": `Cookie: ${"a=b; ".repeat(2900)}`,
  };
  return Object.fromEntries(Object.entries(values).map(([name, line]) => [name, upgradeRequest(url, [line])]));
}

/** Names that every object has without being given them. */
const MAGIC = ["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf", "prototype", "__defineGetter__"];

function magicNames({ url }: Arena): Record<string, string> {
  return Object.fromEntries(
    MAGIC.flatMap((name) => [
      [`extension ${name}`, upgradeRequest(url, [`Sec-WebSocket-Extensions: ${name}; ${name}=${name}`])],
      [`parameter ${name}`, upgradeRequest(url, [`Sec-WebSocket-Extensions: permessage-deflate; ${name}`])],
      [`value ${name}`, upgradeRequest(url, [`Sec-WebSocket-Extensions: permessage-deflate; ${name}=10, ${name}`])],
      [`subprotocol ${name}`, upgradeRequest(url, [`Sec-WebSocket-Protocol: ${name}`])],
      [`field ${name}`, upgradeRequest(url, [`${name}: x`])],
    ]),
  );
}

const POINTS: Readonly<Record<string, (arena: Arena, attacker: Attacker) => Promise<void> | void>> = {
  "after connecting": () => undefined,
  "inside the head": ({ url }, attacker) => attacker.write(upgradeRequest(url).slice(0, 60)),
  "after the request": ({ url }, attacker) => attacker.write(upgradeRequest(url)),
  "after a refusal": async ({ url }, attacker) => {
    attacker.write(requestText(url, [`Host: ${url.host}`, ...BASE, KEY]));
    await attacker.answered(2000);
  },
  "once open": async (arena, attacker) => shake(arena, attacker),
  "inside a frame": async (arena, attacker) => {
    await shake(arena, attacker);
    attacker.write(frame({ opcode: Op.Text, payload: "never whole" }).subarray(0, 9));
  },
  "behind a message": async (arena, attacker) => {
    await shake(arena, attacker);
    attacker.send({ opcode: Op.Text, payload: "message" });
  },
  "in CLOSING": async (arena, attacker) => {
    await shake(arena, attacker);
    attacker.send({ opcode: Op.Close, payload: Buffer.of(3, 232) });
  },
};

async function shake({ url }: Arena, attacker: Attacker): Promise<void> {
  attacker.write(upgradeRequest(url));
  await attacker.answered(2000);
}

async function resets(arena: Arena): Promise<Seen> {
  let count = 0;
  for (const prepare of Object.values(POINTS)) {
    for (let batch = 0; batch < 8; batch++) {
      await Promise.all(
        Array.from({ length: 25 }, async () => {
          const attacker = await arena.tcp();
          await prepare(arena, attacker);
          attacker.reset();
          count++;
        }),
      );
    }
  }
  return { resets: count, points: Object.keys(POINTS).length };
}

async function slowHandshakes(arena: Arena): Promise<Seen> {
  const [silent, partial, dripping] = [await arena.tcp(), await arena.tcp(), await arena.tcp()];
  const text = upgradeRequest(arena.url, [`X: ${"x".repeat(1000)}`]);
  partial.write(text.slice(0, 60));
  dripping.write(text.slice(0, 60));
  const startedAt = performance.now();
  const all = [silent, partial, dripping];
  for (let at = 60; performance.now() - startedAt < 15_000 && all.some(({ end }) => end === "open"); at++) {
    dripping.write(text[at] ?? "x");
    await sleep(250);
  }
  const took = ({ end, endedAt = 0, status }: Attacker): string =>
    end === "open" ? "open after 15 s" : `${((endedAt - startedAt) / 1000).toFixed(1)} s${status ? `, ${status}` : ""}`;
  return { silent: took(silent), partial: took(partial), dripping: took(dripping) };
}

async function smuggling(arena: Arena): Promise<Seen> {
  const { url } = arena;
  const host = `Host: ${url.host}`;
  const upgrade = [host, ...BASE, VERSION, KEY];
  const body = frame({ opcode: Op.Text, payload: "smuggled" });
  const second = Buffer.from(requestText(url, [host]));
  const chunked = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]);
  const cases: readonly (readonly [name: string, head: string, then: Buffer])[] = [
    ["Content-Length", requestText(url, [...upgrade, `Content-Length: ${body.length}`]), body],
    ["two Content-Length", requestText(url, [...upgrade, "Content-Length: 0", `Content-Length: ${body.length}`]), body],
    ["chunked", requestText(url, [...upgrade, "Transfer-Encoding: chunked"]), chunked],
    [
      "chunked and Content-Length",
      requestText(url, [...upgrade, "Transfer-Encoding: chunked", "Content-Length: 4"]),
      chunked,
    ],
    ["POST", requestText(url, [...upgrade, `Content-Length: ${body.length}`], "POST"), body],
    ["PUT without a body", requestText(url, upgrade, "PUT"), Buffer.alloc(0)],
    ["HEAD", requestText(url, upgrade, "HEAD"), Buffer.alloc(0)],
    ["version 7", requestText(url, [host, ...BASE, "Sec-WebSocket-Version: 7", KEY]), Buffer.alloc(0)],
    ["no key", requestText(url, [host, ...BASE, VERSION]), Buffer.alloc(0)],
    ["h2c", requestText(url, [host, "Upgrade: h2c", "Connection: Upgrade", VERSION, KEY]), Buffer.alloc(0)],
  ];
  let [smuggled, answeredTwice] = [0, 0];
  const accepted: string[] = [];
  for (const [name, head, then] of cases) {
    const { attacker } = await ask(arena, Buffer.concat([Buffer.from(head), then, second]));
    await attacker.until(() => attacker.end !== "open", 300);
    if (attacker.status === 101) accepted.push(name);
    if (attacker.messages.includes("smuggled")) smuggled++;
    if (attacker.status !== 101 && attacker.rest.includes("HTTP/1.1 ")) answeredTwice++;
    attacker.destroy();
  }
  return { requests: cases.length, smuggled, accepted: accepted.join(", ") || "none", answeredTwice };
}

/** Hosts that are not the name of one. */
const HOSTS = ["", "a.com:80@b", "a b", "a.com:99999", "a.com:x", "[::1", "a/b", "a?b", "a#b", "%00", "a.com, b.com"];

function confusedHosts({ url }: Arena): Record<string, string> {
  const request = (lines: readonly string[]): string => requestText(url, [...lines, ...BASE, VERSION, KEY]);
  return {
    ...Object.fromEntries(HOSTS.map((host) => [JSON.stringify(host), request([`Host: ${host}`])])),
    "with an Origin": request(["Host: a.com:80@b", "Origin: http://b"]),
    "two Hosts": request(["Host: a.com", "Host: b.com"]),
    "no Host": request([]),
    "X-Forwarded-Host": request([`Host: ${url.host}`, "Origin: http://evil.example", "X-Forwarded-Host: evil.example"]),
    "absolute target": request(["Host: b.com"]).replace("GET /", "GET http://a.com:80@b/"),
    "target that is no path": request([`Host: ${url.host}`]).replace("GET /", "GET //["),
  };
}

function badFields({ url }: Arena): Record<string, string> {
  const request = (...lines: string[]): string => requestText(url, [`Host: ${url.host}`, ...BASE, ...lines]);
  const keys = [
    "",
    "x",
    "dGhlIHNhbXBsZSBub25jZQ",
    "dGhlIHNhbXBsZSBub25j",
    "dGhlIHNhbXBsZSBub25jZQ===",
    "dGhlIHNhb*BsZSBub25jZQ==",
  ];
  const versions = ["", "0", "7", "12", "14", "13.0", "013", "0x0d", "+13", "13, 8", "13;"];
  return {
    ...Object.fromEntries(
      keys.map((key) => [`key ${JSON.stringify(key)}`, request(VERSION, `Sec-WebSocket-Key: ${key}`)]),
    ),
    ...Object.fromEntries(
      versions.map((version) => [
        `version ${JSON.stringify(version)}`,
        request(KEY, `Sec-WebSocket-Version: ${version}`),
      ]),
    ),
    "no key": request(VERSION),
    "two keys": request(VERSION, KEY, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    "no version": request(KEY),
    "two versions": request(KEY, VERSION, "Sec-WebSocket-Version: 8"),
  };
}

async function gluedFrames(arena: Arena): Promise<Seen> {
  const head = Buffer.from(upgradeRequest(arena.url));
  const hello = frame({ opcode: Op.Text, payload: "glued" });
  const whole = Buffer.concat([head, hello]);
  const cuts = [0, head.length - 3, ...hello.map((_, i) => head.length + i)];
  let [echoed, refused, wrong] = [0, 0, 0];
  for (const cut of cuts) {
    const attacker = await arena.tcp();
    if (cut > 0) attacker.write(whole.subarray(0, cut));
    await sleep(5);
    attacker.write(whole.subarray(cut));
    await attacker.until(() => attacker.messages.length > 0 || attacker.end !== "open", 1500);
    if (attacker.messages.length === 1 && attacker.messages[0] === "glued") echoed++;
    else if (attacker.messages.length === 0 && attacker.end !== "open") refused++;
    else wrong++;
    attacker.destroy();
    if (wrong === 3) break;
  }
  const huge = frame({ opcode: Op.Binary, payload: "x", declaredLength: 2n ** 40n });
  const { attacker } = await ask(arena, Buffer.concat([Buffer.from(upgradeRequest(arena.url)), huge]));
  await attacker.failed(500);
  return { cuts: cuts.length, echoed, refused, wrong, hugeOne: attacker.closeCode || attacker.end };
}

const answered = sees("silent", is(0), "each request is answered or dropped within 2 s");

/** Rows C01 to C16, as far as a client can drive them. */
export const HANDSHAKE_ROWS: readonly Row[] = [
  {
    id: "C01",
    name: "Too many header fields",
    does: "Asks for upgrades with up to 3000 header fields, and with fields missing",
    fresh: true,
    attack: (arena) => askAll(arena, manyHeaders(arena)),
    statements: [answered],
  },
  {
    id: "C02",
    name: "Header values that are slow to parse",
    does: "Asks with values of 15 KB that make careless parsers quadratic: gaps, commas, offers, open quotes",
    attack: (arena) => askAll(arena, slowValues(arena)),
    statements: [answered, sees("slowestMs", atMost(1000), "each is answered within 1000 ms")],
  },
  {
    id: "C03",
    name: "Magic names",
    does: "Offers extensions, parameters and subprotocols named __proto__, constructor and the like",
    attack: (arena) => askAll(arena, magicNames(arena)),
    statements: [answered],
  },
  {
    id: "C04",
    name: "Reset at every point",
    does: `Resets 200 connections at each of ${Object.keys(POINTS).length} points, from the connect to CLOSING`,
    attack: resets,
    statements: [filesReturn],
  },
  {
    id: "C05",
    name: "Slow handshake",
    does: "Keeps a silent socket, one with half a head and one with a dripping head for 15 s",
    attack: slowHandshakes,
    statements: ["silent", "partial", "dripping"].map((kind) =>
      notes(kind, (text) => !String(text).startsWith("open"), `the ${kind} socket is closed within 15 s`),
    ),
  },
  {
    id: "C08",
    name: "Smuggling with an upgrade",
    does: "Asks for upgrades with bodies, wrong methods and wrong versions, with a second request behind each",
    attack: smuggling,
    statements: [
      sees("smuggled", is(0), "no body of a request is taken for frames"),
      notes("accepted", is("none"), "none of the requests is accepted"),
      notes("answeredTwice", is(0), "the second request is not answered"),
    ],
  },
  {
    id: "C10",
    name: "Confused Host",
    does: "Asks with a Host that is none, with two and without, with X-Forwarded-Host and odd targets",
    attack: (arena) => askAll(arena, confusedHosts(arena)),
    statements: [answered, notes("accepted", atMost(0), "none of them is accepted")],
  },
  {
    id: "C11",
    name: "Bad or doubled key and version",
    does: "Asks with 21 keys and versions that are wrong, missing or given twice",
    attack: (arena) => askAll(arena, badFields(arena)),
    statements: [answered, sees("acceptedOnes", is("none"), "none of them is accepted")],
  },
  {
    id: "C16",
    name: "Frames glued to the request",
    does: "Sends a message in one write with the request, cut at every byte, then a header that claims 2^40 bytes",
    attack: gluedFrames,
    statements: [growsLess(8 * MIB), sees("wrong", is(0), "each is echoed once, or the connection refused")],
  },
];
