import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";
import { openRaw, type RawPeer } from "../../support/raw-peer.ts";
import { frameFrom } from "../../support/wire.ts";

interface Told {
  readonly port: number;
  readonly heap: number;
  readonly allocated: number;
  readonly collections: number;
  readonly connections: number;
  readonly writes: number;
}

let child: ChildProcess;
let port: number;

async function told(): Promise<Told> {
  return (await once(child, "message"))[0] as Told;
}

async function ask(what: "heap" | "publish" | "written" | "allocated"): Promise<Told> {
  const answer = told();
  child.send(what);
  return await answer;
}

async function open(count: number, path: string): Promise<RawPeer[]> {
  const peers: RawPeer[] = [];
  for (let index = 0; index < count; index++) peers.push(await openRaw(port, { path }));
  return peers;
}

/** Sends `count` messages of 64 bytes in chunks of `burst`, each after all replies to the one before. */
async function echo(path: string, { opcode, count, burst }: Echo): Promise<void> {
  const [peer] = await open(1, path);
  const frames = Array.from({ length: burst }, () => frameFrom("client", { opcode, payload: "x".repeat(64) }));
  const chunk = Buffer.concat(frames);
  for (let sent = 0; sent < count; sent += burst) {
    peer!.socket.write(chunk);
    await peer!.until(() => peer!.received.length >= burst * 66);
    peer!.received = peer!.received.subarray(burst * 66);
  }
  peer!.socket.destroy();
}

interface Echo {
  readonly opcode: number;
  readonly count: number;
  readonly burst: number;
}

/** The bytes that the server allocates for each message once its code is compiled, which a busy machine puts off. */
async function allocatedPerMessage(path: string, echoes: Omit<Echo, "count">): Promise<number> {
  const count = 5000;
  let least = Number.POSITIVE_INFINITY;
  await echo(path, { ...echoes, count: 40_000, burst: 16 });
  for (let round = 0; round < 3; round++) {
    await echo(path, { ...echoes, count });
    await ask("heap");
    const before = await ask("allocated");
    await echo(path, { ...echoes, count });
    const after = await ask("allocated");
    expect(after.collections).toBe(before.collections);
    least = Math.min(least, (after.allocated - before.allocated) / count);
  }
  return least;
}

/**
 * The bytes that the server allocates for a connection, from its first bytes to its reset: the least of up to a dozen
 * rounds, until one is below `enough`, since a busy machine puts off compiling for long.
 */
async function allocatedPerConnection(path: string, enough: number): Promise<number> {
  const come = async (count: number): Promise<void> => {
    for (const peer of await open(count, path)) peer.reset();
  };
  let least = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < 5; batch++) await come(300);
  for (let round = 0; round < 12 && least >= enough; round++) {
    await ask("heap");
    const before = await ask("allocated");
    await come(300);
    const after = await ask("allocated");
    expect(after.collections).toBe(before.collections);
    least = Math.min(least, (after.allocated - before.allocated) / 300);
  }
  return least;
}

beforeAll(async () => {
  const script = new URL("../../support/counted-server.ts", import.meta.url).pathname;
  const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  child = spawn(process.execPath, [...flags, ...typescriptProgram(script)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  port = (await told()).port;
});

afterAll(() => void child.kill());

describe("the costs of a connection, on any machine", () => {
  // Node's socket alone is more than the connection on a bare handle.
  const idle = process.env.OPENLINE_BARE_HANDLES === "0" ? 4096 : 2048;
  test.each([
    ["an idle connection", "/idle"],
    ["an idle connection that `upgrade` has let in", "/asked"],
  ])(`%s costs less than ${idle} bytes of heap`, async (_, path) => {
    // What is compiled and learned with the first ones is no connection's.
    await open(500, path);
    const before = await ask("heap");
    await open(400, path);
    const after = await ask("heap");
    expect(after.connections - before.connections).toBe(400);
    expect((after.heap - before.heap) / 400).toBeLessThan(idle);
  });

  test.skipIf(process.env.OPENLINE_BARE_HANDLES === "0").each([
    [9_500, "a connection", "/idle"],
    [12_500, "a connection that `upgrade` lets in", "/asked"],
  ])("less than %i bytes are allocated for %s, from its first bytes to its end", async (most, _, path) => {
    expect(await allocatedPerConnection(path, most)).toBeLessThan(most);
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

  test.each<[string, number, Omit<Echo, "count">]>([
    ["text in bursts of 16", 450, { opcode: 1, burst: 16 }],
    ["binary in bursts of 16", 450, { opcode: 2, burst: 16 }],
    ["text one by one", 620, { opcode: 1, burst: 1 }],
    ["binary one by one", 620, { opcode: 2, burst: 1 }],
  ])("the echo of 64 bytes of %s allocates less than %i bytes", async (_, bound, echoes) => {
    expect(await allocatedPerMessage("/", echoes)).toBeLessThan(bound);
  });

  test("a handler that allocates needlessly is seen to exceed it", async () => {
    expect(await allocatedPerMessage("/wasteful", { opcode: 2, burst: 16 })).toBeGreaterThan(950);
  });

  test("three messages published in one turn are one write for each subscriber", async () => {
    const peers = await open(20, "/");
    expect((await ask("publish")).writes).toBe(20);
    for (const peer of peers) expect(await peer.nextTexts(3)).toEqual(["one", "two", "three"]);
    for (const peer of peers) peer.socket.destroy();
  });
});
