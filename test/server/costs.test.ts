import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRaw, type RawPeer } from "../support/raw-peer.ts";
import { frameFrom } from "../support/wire.ts";

interface Told {
  readonly port: number;
  readonly heap: number;
  readonly connections: number;
  readonly writes: number;
}

let child: ChildProcess;
let port: number;

async function told(): Promise<Told> {
  return (await once(child, "message"))[0] as Told;
}

async function ask(what: "heap" | "publish" | "written"): Promise<Told> {
  const answer = told();
  child.send(what);
  return await answer;
}

async function open(count: number, path: string): Promise<RawPeer[]> {
  const peers: RawPeer[] = [];
  for (let index = 0; index < count; index++) peers.push(await openRaw(port, { path }));
  return peers;
}

beforeAll(async () => {
  const script = new URL("../support/counted-server.ts", import.meta.url).pathname;
  child = fork(script, { execArgv: ["--expose-gc", "--import", "tsx"] });
  port = (await told()).port;
});

afterAll(() => void child.kill());

describe("what a connection costs, whatever the machine", () => {
  test("an idle one less than 4 KiB of heap", async () => {
    await open(100, "/idle");
    const before = await ask("heap");
    await open(400, "/idle");
    const after = await ask("heap");
    expect(after.connections - before.connections).toBe(400);
    expect((after.heap - before.heap) / 400).toBeLessThan(4096);
  });

  test("16 messages in one chunk are answered by one write", async () => {
    const [peer] = await open(1, "/");
    await ask("written");
    const messages = Array.from({ length: 16 }, (_, index) => `message ${index}`);
    peer!.socket.write(Buffer.concat(messages.map((payload) => frameFrom("client", { opcode: 1, payload }))));
    expect(await peer!.nextTexts(16)).toEqual(messages);
    expect((await ask("written")).writes).toBe(1);
    peer!.socket.destroy();
  });

  test("three messages published in one turn are one write for each subscriber", async () => {
    const peers = await open(20, "/");
    expect((await ask("publish")).writes).toBe(20);
    for (const peer of peers) expect(await peer.nextTexts(3)).toEqual(["one", "two", "three"]);
    for (const peer of peers) peer.socket.destroy();
  });
});
