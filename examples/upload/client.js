// @ts-check
/** Sends a file, or as many MiB as it is told, as one message, and shows how far the server is. */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { connect } from "openline";

const [source = "2048"] = process.argv.slice(2);
const file = statSync(source, { throwIfNoEntry: false });
const length = file?.size ?? Number(source) * 1024 * 1024;
if (file?.isDirectory() || !Number.isSafeInteger(length) || length < 0) {
  console.error(`Cannot send "${source}": it is no file. Name one, or a number of MiB: npm run client -- 512`);
  process.exit(1);
}

const hash = createHash("sha256");
async function* fragments() {
  // An exit cuts the connection off, so that the server does not take a part for the whole.
  const stream =
    file &&
    createReadStream(source).on("error", ({ message }) => {
      console.error(`Cannot read "${source}": ${message}`);
      process.exit(1);
    });
  for await (const fragment of stream ?? zeros()) {
    hash.update(fragment);
    yield fragment;
  }
}
function* zeros() {
  const fragment = new Uint8Array(64 * 1024);
  for (let left = length; left > 0; left -= fragment.length) yield fragment.subarray(0, left);
}

const connection = await connect(`ws://localhost:${process.env.PORT ?? 9998}/upload`).catch((error) => {
  console.error(`${error.message}\nStart the server first: npm start`);
  process.exit(1);
});
/** Resolves with what went wrong while sending, or nothing. */
const failed = connection.sendFragments(fragments()).catch((error) => error);
const inMiB = (/** @type {number} */ bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
for await (const data of connection) {
  const { received, memory, sha256 } = JSON.parse(String(data));
  const memories = `memory here ${inMiB(process.memoryUsage.rss())}, there ${inMiB(memory)}`;
  console.log(`${inMiB(received)} of ${inMiB(length)} have come; ${memories}`);
  if (sha256 === undefined) continue;
  await failed;
  const same = sha256 === hash.digest("hex");
  console.log(same ? `The server has the same ${received} bytes` : "The server has something else");
  process.exitCode = same ? 0 : 1;
  break;
}
connection.close();
const { code, reason, error } = await connection.closed;
if (process.exitCode === undefined) {
  const why = error?.message ?? (await failed)?.message ?? "the server has not confirmed it";
  console.error(`"${source}" has not arrived: ${why} (${`${code} ${reason}`.trim()})`);
  process.exitCode = 1;
}
