/** Rows B: permessage-deflate. They are not applicable to a server that declines the extension. */
import { constants, deflateRawSync } from "node:zlib";
import { Op } from "../../conformance/wire/frame.ts";
import { atMost, growsLess, is, MIB, noteGrowth, noteP99, notes, sees } from "../judge.ts";
import { type Arena, NotApplicable, type Row, type Seen } from "../row.ts";
import { type Attacker, frame, sleep, upgradeRequest } from "../wire.ts";
import { endOf } from "./frames.ts";

const OFFER = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover";

async function deflating(arena: Arena): Promise<Attacker> {
  const connection = await arena.open([OFFER]);
  if (connection.deflates) return connection;
  throw new NotApplicable("the server declines permessage-deflate");
}

/** DEFLATE of `mebibytes` MiB of zeros: one block's bytes over and over, since each refers only to zeros before it. */
export function bomb(mebibytes: number): Buffer {
  const one = deflateRawSync(Buffer.alloc(MIB), { finishFlush: constants.Z_SYNC_FLUSH });
  const all = Buffer.concat(Array.from({ length: mebibytes }, () => one));
  return all.subarray(0, all.length - 4);
}

async function zipBomb(arena: Arena): Promise<Seen> {
  const connection = await deflating(arena);
  connection.keep("nothing");
  const payload = bomb(512);
  connection.send({ opcode: Op.Binary, rsv: 4, payload });
  await connection.until(() => connection.end !== "open" || connection.received > 0, 6000);
  await sleep(200);
  return { sentKiB: Math.round(payload.length / 1024), receivedKiB: Math.round(connection.received / 1024) };
}

/** Offers that no server may accept as they stand, RFC 7692 section 7. */
export const BAD_OFFERS: readonly string[] = [
  ...["server_max_window_bits", "client_max_window_bits"].flatMap((name) =>
    ["7", "16", "100", "-1", "0", "08", "015", "1e1", "0x0a", "8.0", "a", '""', "99999999999999999999", "NaN"].map(
      (value) => `permessage-deflate; ${name}=${value}`,
    ),
  ),
  "permessage-deflate; server_max_window_bits",
  "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
  "permessage-deflate; client_max_window_bits; client_max_window_bits",
  "permessage-deflate; server_no_context_takeover=1",
  "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
  "permessage-deflate; client_no_context_takeover=true",
  "permessage-deflate; unknown_parameter",
  "permessage-deflate; =8",
  "permessage-deflate; ; ;",
  "permessage-deflate; server_max_window_bits==10",
  'permessage-deflate; server_max_window_bits="10',
  "permessage-deflate,,; x",
];

async function badParameters(arena: Arena): Promise<Seen> {
  let [accepted, refused, silent] = [0, 0, 0];
  for (const offer of BAD_OFFERS) {
    const attacker = await arena.tcp();
    attacker.write(upgradeRequest(arena.url, [`Sec-WebSocket-Extensions: ${offer}`]));
    await attacker.answered(2000);
    if (attacker.status === 101 && attacker.deflates) accepted++;
    else if (attacker.status === 0) silent++;
    else refused++;
    // A message makes the server build its zlib streams from what it agreed to.
    if (attacker.status === 101) {
      attacker.send({ opcode: Op.Text, rsv: attacker.deflates ? 4 : 0, payload: "\xf2\x48\xcd\xc9\xc9\x07\x00" });
      await attacker.until(() => attacker.frames.length > 0 || attacker.end !== "open", 500);
    }
    attacker.destroy();
  }
  return { offers: BAD_OFFERS.length, accepted, refused, silent };
}

async function strayRsv1(arena: Arena): Promise<Seen> {
  const onContinuation = await deflating(arena);
  onContinuation.send({ opcode: Op.Text, rsv: 4, fin: false, payload: Buffer.from("f248", "hex") });
  onContinuation.send({ opcode: Op.Continuation, rsv: 4, payload: Buffer.from("cdc9c90700", "hex") });
  const onPing = await deflating(arena);
  onPing.send({ opcode: Op.Ping, rsv: 4, payload: "ping" });
  await Promise.all([onContinuation.failed(1000), onPing.failed(1000)]);
  return { continuation: endOf(onContinuation), ping: endOf(onPing) };
}

async function finalBlocks(arena: Arena): Promise<Seen> {
  const hello = Buffer.from("f248cdc9c90700", "hex");
  const final = Buffer.from("f348cdc9c9070000", "hex");
  const send = async (payloads: readonly Buffer[], messages: number): Promise<Attacker> => {
    const connection = await deflating(arena);
    for (const payload of payloads) connection.send({ opcode: Op.Text, rsv: 4, payload });
    await connection.echoed(messages, 1000);
    return connection;
  };
  const told = (connection: Attacker): string =>
    connection.messages.map((message) => JSON.stringify(message)).join(" ") || endOf(connection);
  return {
    finalBlock: told(await send([final, hello], 2)),
    truncated: told(await send([hello.subarray(0, 3)], 1)),
    badBlock: told(await send([Buffer.from("06ff00", "hex")], 1)),
    trailing: told(await send([Buffer.concat([final.subarray(0, 7), Buffer.from("ffffff", "hex")])], 1)),
  };
}

async function inflatingFlood(arena: Arena): Promise<Seen> {
  const connection = await deflating(arena);
  connection.keep("nothing");
  const message = frame({ opcode: Op.Binary, rsv: 4, payload: bomb(1) });
  let sent = 0;
  const deadline = performance.now() + 3000;
  while (performance.now() < deadline && connection.end === "open") {
    // Four at a time on their way, as far as bytes show it: echoes of zeros are about as long as what was sent.
    if (sent - connection.received / message.length < 4) {
      connection.write(message);
      sent++;
    }
    await connection.until(() => sent - connection.received / message.length < 4, 5);
    await sleep(0);
  }
  return { messages: sent, end: endOf(connection) };
}

/** As many messages as would take 1.4 GiB if all were there at once, each within every limit on one message. */
async function manyInflated(arena: Arena): Promise<Seen> {
  const connections = await Promise.all(Array.from({ length: 96 }, () => deflating(arena)));
  const message = frame({ opcode: Op.Binary, rsv: 4, payload: bomb(15) });
  for (const connection of connections) {
    connection.keep("nothing");
    connection.write(message);
  }
  await Promise.all(connections.map((one) => one.until(() => one.end !== "open" || one.received > 1000, 20_000)));
  await sleep(500);
  return {
    sentKiB: Math.round((96 * message.length) / 1024),
    open: connections.filter(({ end }) => end === "open").length,
  };
}

/** Rows B01 to B07, and A12, as far as a client can drive them. */
export const COMPRESSION_ROWS: readonly Row[] = [
  {
    id: "A12",
    name: "Many messages inflated at once",
    does: "Sends a compressed message on each of 96 connections that inflates to 15 MiB, 1.4 MiB in all",
    fresh: true,
    attack: manyInflated,
    // Caps of 256 MiB on what is received and on what is to be sent; and what is inflated, or compressed, is there twice.
    statements: [growsLess(1024 * MIB, 64 * MIB)],
  },
  {
    id: "B01",
    name: "Zip bomb",
    does: "Sends 0.5 MiB that inflate to 512 MiB",
    fresh: true,
    attack: zipBomb,
    // 100 MiB is the largest limit that a server of the field has by default.
    statements: [growsLess(116 * MIB), noteGrowth(32 * MIB)],
  },
  {
    id: "B02",
    name: "Bad parameters",
    does: `Makes ${BAD_OFFERS.length} offers of permessage-deflate that are wrong, and sends a message under those accepted`,
    fresh: true,
    attack: badParameters,
    statements: [
      sees("silent", is(0), "each offer is answered within 2 s"),
      notes("accepted", is(0), "none is accepted as it stands"),
    ],
  },
  {
    id: "B05",
    name: "RSV1 where it has no meaning",
    does: "Sets RSV1 on a continuation and on a Ping",
    attack: strayRsv1,
    statements: [
      sees("continuation", (end) => end !== "open", "RSV1 on a continuation fails the connection"),
      sees("ping", (end) => end !== "open", "RSV1 on a Ping fails the connection"),
    ],
  },
  {
    id: "B06",
    name: "Final, broken and truncated blocks",
    does: "Sends a final block with a message behind it, data that ends inside a block, a block of no type, and a tail of junk",
    attack: finalBlocks,
    statements: [
      sees("finalBlock", is('"Hello" "Hello"'), "a final block and the message behind it are two messages"),
      sees("truncated", (text) => !String(text).startsWith('"'), "no message comes of data that breaks off"),
      sees("badBlock", (text) => !String(text).startsWith('"'), "no message comes of a block of no type"),
    ],
  },
  {
    id: "B07",
    name: "Inflating beside others",
    does: "Sends compressed messages of 1 MiB for 3 s, four on their way at a time",
    fresh: true,
    attack: inflatingFlood,
    statements: [noteP99(50), notes("messages", (count) => !atMost(0)(count), "messages are taken")],
  },
];
