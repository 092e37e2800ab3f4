/** B08: what the length of a compressed message tells of the secret in it. */
import { describe, expect, test } from "vitest";
import { connect, serve } from "../../src/index.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { openRaw, RawPeer, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import type { ReadFrame } from "../support/wire.ts";

const extension = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const offer = { headers: { "Sec-WebSocket-Extensions": extension } };
const secret = "token=5ad0bd9f7c64";

/** A message with the secret and what an attacker got into it: a guess. */
function message(guess: string): string {
  return `{"padding":"${"-".repeat(300)}","cookie":"${secret}","search":"${guess}"}`;
}

/** The frames on the wire for these guesses, sent by our side of the role. */
async function framesFor(role: Role, guesses: readonly string[], compress?: boolean): Promise<ReadFrame[]> {
  const options = compress === undefined ? {} : { compress };
  if (role === "server") {
    const routes = {
      "/": {
        message: (connection: { send(data: string, given: object): boolean }, data: string | Uint8Array) =>
          void connection.send(message(String(data)), options),
      },
    };
    const server = await serve({ host: "127.0.0.1", compression: true, routes });
    const peer = await openRaw(server.port, offer);
    peer.text(...guesses);
    const frames = await peer.nextFrames(guesses.length);
    peer.socket.destroy();
    await server.close();
    return frames;
  }
  let peer!: RawPeer;
  const server = await rawServer((request, socket) => {
    peer = new RawPeer(socket, "server");
    return acceptance(request, { "Sec-WebSocket-Extensions": extension });
  });
  const connection = await connect(`ws://127.0.0.1:${server.port}`);
  for (const guess of guesses) connection.send(message(guess), options);
  const frames = await peer.nextFrames(guesses.length);
  connection.terminate();
  await server.close();
  return frames;
}

const right = secret;
/** As long, and with the same letters. */
const wrong = [...secret].reverse().join("");

test("B08: a server compresses nothing unless it is asked to", async () => {
  for (const [compression, agreed] of [
    [undefined, false],
    [true, true],
  ] as const) {
    const server = await serve({ host: "127.0.0.1", routes: { "/": {} }, ...(compression && { compression }) });
    const peer = await sendRaw(server.port, requestText(offer));
    expect((await readHead(peer)).includes("permessage-deflate")).toBe(agreed);
    peer.socket.destroy();
    await server.close();
  }
});

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("B08: with compress: false a right guess is as long as a wrong one", async () => {
    const [first, second] = await framesFor(role, [right, wrong], false);
    expect([first?.rsv, second?.rsv]).toEqual([0, 0]);
    expect(first?.payload.toString()).toBe(message(right));
    expect(first?.payload.length).toBe(second?.payload.length);
  });

  test("B08 control: compressed, a right guess is shorter", async () => {
    const [first, second] = await framesFor(role, [right, wrong]);
    expect([first?.rsv, second?.rsv]).toEqual([4, 4]);
    expect(first!.payload.length).toBeLessThan(second!.payload.length);
  });
});
