/** D19 and D20: a process that stood still for a while, and one that may open no more files. */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { openRaw, type RawPeer, requestText } from "../support/raw-peer.ts";
import { startChild } from "../support/serving.ts";

async function echoes(peer: RawPeer): Promise<boolean> {
  peer.text("still here");
  for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
    if (frame.payload.toString() === "still here") return true;
    if (frame.opcode === 9) peer.send({ opcode: 10, payload: frame.payload });
  }
  return false;
}

describe("D19 a process that is stopped for longer than it gives its peers", () => {
  /** How many of 20 clients, which answer whatever they are asked, are left when the server has stood for 4 s. */
  async function survivors(kind: string): Promise<number> {
    const child = startChild("judging-server.ts", [kind]);
    const { port } = await child.told<{ port: number }>();
    const peers = await Promise.all(Array.from({ length: 20 }, () => openRaw(port)));
    for (const peer of peers) {
      peer.socket.on("data", () => {
        // A Ping with no or a short payload, as both servers send, in a chunk of its own.
        if (peer.received[0] !== 0x89) return;
        peer.send({ opcode: 10, payload: peer.received.subarray(2) });
        peer.received = Buffer.alloc(0);
      });
    }
    await delay(700);
    child.process.kill("SIGSTOP");
    await delay(4000);
    child.process.kill("SIGCONT");
    await delay(2500);
    const alive = await Promise.all(peers.map((peer) => !peer.ended && echoes(peer)));
    for (const { socket } of peers) socket.destroy();
    return alive.filter(Boolean).length;
  }

  test("D19: nobody who answers is given up; control: by the clock on the wall everybody is", {
    tags: "slow",
  }, async () => {
    const [ours, byTheClock] = await Promise.all([survivors("quick to judge"), survivors("wall clock")]);
    expect(ours).toBe(20);
    expect(byTheClock).toBe(0);
  });
});

describe("D20 a process that may open 200 files", () => {
  /** Connects so many clients at once; the answers of those that got one before the time was over. */
  async function crowd(port: number, size: number, time: number): Promise<{ sockets: Socket[]; answers: string[] }> {
    const answers: string[] = [];
    const sockets = Array.from({ length: size }, () => connect(port, "127.0.0.1"));
    const settled = sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once("data", (chunk: Buffer) => {
            answers.push(chunk.toString("latin1").slice(9, 12));
            resolve();
          });
          // Reset, or left alone where nobody can take it.
          socket.on("error", () => resolve()).on("close", () => resolve());
          socket.write(requestText());
        }),
    );
    await Promise.race([Promise.all(settled), delay(time)]);
    return { sockets, answers };
  }

  async function crowded(kind: string) {
    const child = startChild("judging-server.ts", [kind], { fileLimit: 200 });
    const { port } = await child.told<{ port: number }>();
    const { sockets, answers } = await crowd(port, 300, kind === "unlimited" ? 3000 : 15_000);
    // Those that were refused are gone within a moment.
    let canOpen = false;
    for (let asked = 0; asked < 100 && !canOpen; asked++) {
      child.process.send("open");
      canOpen = await child.told<boolean>();
      await delay(20);
    }
    for (const socket of sockets) socket.destroy();
    child.process.send("count");
    for (let left = await child.told<number>(); left > 0; left = await child.told<number>()) {
      await delay(20);
      child.process.send("count");
    }
    const peer = await openRaw(port);
    const recovered = await echoes(peer);
    peer.socket.destroy();
    return { answers, canOpen, recovered, code: child.process.exitCode };
  }

  test("D20: the server takes what it can, refuses the rest, can still open files, and takes clients again", async () => {
    const { answers, canOpen, recovered, code } = await crowded("openline");
    expect(answers.filter((status) => status === "101").length).toBeGreaterThan(100);
    expect(answers.filter((status) => status === "503").length).toBeGreaterThan(0);
    expect(canOpen).toBe(true);
    expect(recovered).toBe(true);
    expect(code).toBeNull();
  });

  test("D20 control: without maxConnections too few files are left to open, and nobody is told to wait", {
    tags: "slow",
  }, async () => {
    const { answers, canOpen } = await crowded("unlimited");
    expect(answers.filter((status) => status === "503")).toEqual([]);
    expect(canOpen).toBe(false);
  });
});
