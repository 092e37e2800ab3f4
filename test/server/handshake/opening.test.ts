/** What carries a handshake is the transport behind its answer. */
import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { expect, test } from "vitest";
import { HandleOpening, type Opening, StreamOpening } from "../../../src/server/handshake/opening.ts";
import { ignoreError } from "../../../src/transport/ignore-error.ts";
import { acceptedHandle } from "../../support/accepted-handle.ts";
import { until } from "../../support/connection-pair.ts";
import { socketPair } from "../../support/raw-peer.ts";
import { Heard } from "../../transport/contract.ts";

async function overStream(own: boolean) {
  const [stream, far] = await socketPair();
  stream.setTimeout(1000);
  stream.on("error", ignoreError);
  return { opening: new StreamOpening(stream, own) as Opening, far, stream };
}

async function overHandle() {
  const { handle, far, owner } = await acceptedHandle();
  handle.readStart();
  return { opening: new HandleOpening(handle, owner) as Opening, far, stream: undefined };
}

test.each([
  ["a stream of others", () => overStream(false)],
  ["a stream of ours", () => overStream(true)],
  ["a handle", overHandle],
])("%s answers, and goes on both ways", async (_, make) => {
  const { opening, far, stream } = await make();
  expect(opening.remoteAddress).toBe("127.0.0.1");
  const transport = opening.answer("HTTP/1.1 101 \u00e9\r\n\r\n");
  const heard = new Heard();
  transport.listen(heard);
  transport.resume();
  expect(((await once(far, "data")) as [Buffer])[0].toString("latin1")).toBe("HTTP/1.1 101 \u00e9\r\n\r\n");
  far.write("frames");
  await until(() => heard.text === "frames");
  expect(stream?.timeout).toBe(stream && 0);
  expect(stream?.listeners("error").includes(ignoreError) ?? false).toBe(false);
  transport.destroy();
  await until(() => heard.said.includes("closed"));
  far.destroy();
});
