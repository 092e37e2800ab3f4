/**
 * Run in a process of its own, which nothing else has grown: prints by how many bytes the process grew at its peak.
 *
 * `bomb LIMIT` inflates 100 MiB of zeros with that limit, as the only message; `deflates COUNT` compresses that many
 * messages of 1 KiB, all before anything else runs; `takeover COUNT` keeps the contexts of that many connections, each with
 * one message of 1 KiB each way, and counts what is in use once garbage is collected, for which it needs `--expose-gc`.
 */
import { constants, deflateRawSync } from "node:zlib";
import { MessageDeflate } from "../../src/connection/compression/message-deflate.ts";

const [task, number = ""] = process.argv.slice(2);
const parameters = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 12,
  clientMaxWindowBits: 12,
};
const deflate = new MessageDeflate("server", parameters, { threshold: 0, level: 3, memLevel: 5 });
const zeros = deflateRawSync(new Uint8Array(1 << 20), { finishFlush: constants.Z_SYNC_FLUSH });
const bomb = Buffer.concat([...Array<Buffer>(100).fill(zeros)]).subarray(0, -4);

const kept: MessageDeflate[] = [];

async function run(count: number): Promise<unknown> {
  if (task === "takeover") {
    const agreed = { ...parameters, serverNoContextTakeover: false, clientNoContextTakeover: false };
    for (let index = 0; index < count; index++) {
      const each = new MessageDeflate("server", agreed, { threshold: 0, level: 3, memLevel: 5 });
      await each.inflate(await each.deflate(new Uint8Array(1024).fill(index)), 1024);
      kept.push(each);
    }
    return "done";
  }
  if (task === "bomb") return await deflate.inflate(bomb, count);
  for (let index = 0; index < count; index++) await deflate.deflate(new Uint8Array(1024).fill(index));
  return "done";
}

/** What is resident once garbage is collected: V8 does not count zlib's contexts. */
function inUse(): number {
  global.gc?.();
  return process.memoryUsage.rss();
}

// Everything that runs once has run, and its memory is counted, before the first look.
await deflate.inflate(await deflate.deflate(new Uint8Array(300_000)), 300_000);
if (task === "takeover") await run(100);
const [before, inUseBefore] = [process.memoryUsage.rss(), inUse()];
const outcome = await run(Number(number));
const peak = process.resourceUsage().maxRSS * 1024;
const grown = task === "takeover" ? inUse() - inUseBefore : peak - before;
process.stdout.write(JSON.stringify({ outcome: typeof outcome === "string" ? outcome : "inflated", grown }));
