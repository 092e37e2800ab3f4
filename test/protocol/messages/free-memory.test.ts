import { execFileSync } from "node:child_process";
import { describe, expect, test, vi } from "vitest";
import { freeMemory, keepFreedMemory, leastFreed } from "../../../src/protocol/messages/free-memory.ts";

describe("freeMemory", () => {
  test("takes the memory away at once, and leaves small pieces to the garbage collector", () => {
    const large = Buffer.allocUnsafeSlow(leastFreed);
    const { buffer } = large;
    freeMemory(large);
    expect([large.length, buffer.byteLength]).toEqual([0, 0]);
    const small = Buffer.allocUnsafeSlow(leastFreed - 1);
    freeMemory(small);
    expect(small.length).toBe(leastFreed - 1);
  });

  /** The function where buffers can be transferred or not, whatever this runtime can; they are, by a message. */
  async function freeMemoryWith(transfers: boolean): Promise<typeof freeMemory> {
    const own = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "transfer");
    Reflect.deleteProperty(ArrayBuffer.prototype, "transfer");
    if (transfers) {
      Object.assign(ArrayBuffer.prototype, {
        transfer(this: ArrayBuffer) {
          structuredClone(this, { transfer: [this] });
        },
      });
    }
    vi.resetModules();
    try {
      return (await import("../../../src/protocol/messages/free-memory.ts")).freeMemory;
    } finally {
      if (!transfers && own) Object.defineProperty(ArrayBuffer.prototype, "transfer", own);
    }
  }

  test.each([true, false])("takes it away by whatever the runtime has; transfers: %s", async (transfers) => {
    const free = await freeMemoryWith(transfers);
    const large = Buffer.allocUnsafeSlow(leastFreed);
    free(large);
    expect(large.length).toBe(0);
  });

  test("leaves it to the garbage collector where there are neither transfers nor channels", async () => {
    vi.stubGlobal("MessageChannel", undefined);
    const free = await freeMemoryWith(false);
    vi.unstubAllGlobals();
    const large = Buffer.allocUnsafeSlow(leastFreed);
    free(large);
    expect(large.length).toBe(leastFreed);
  });

  test.each([
    ["freed", true],
    ["control: left to the garbage collector", false],
  ])("of 256 MiB, 1 MiB after another, %s [A02]", (_, frees) => {
    const module = new URL("../../../src/protocol/messages/free-memory.ts", import.meta.url).href;
    const script = `
      const { freeMemory } = await import(${JSON.stringify(module)});
      const { external } = process.memoryUsage();
      let most = 0;
      for (let i = 0; i < 256; i++) {
        const bytes = Buffer.allocUnsafeSlow(1 << 20).fill(i);
        if (${frees}) freeMemory(bytes);
        most = Math.max(most, process.memoryUsage().external - external);
      }
      console.log(most);`;
    const args = ["--import", "tsx", "--input-type=module", "--eval", script];
    const most = Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
    if (frees) expect(most).toBeLessThan(2 << 20);
    else expect(most).toBeGreaterThan(8 << 20);
  });
});

const { glibcVersionRuntime } = (process.report!.getReport() as unknown as { header: { glibcVersionRuntime?: string } })
  .header;

describe.runIf(glibcVersionRuntime)("keepFreedMemory", () => {
  /** Page faults of 40 times 16 MiB that are written to and freed, 1 MiB at a time. */
  function faults(keeps: boolean): number {
    const module = new URL("../../../src/protocol/messages/free-memory.ts", import.meta.url).href;
    const script = `
      const { freeMemory, keepFreedMemory } = await import(${JSON.stringify(module)});
      if (${keeps}) keepFreedMemory();
      const before = process.resourceUsage().minorPageFault;
      for (let round = 0; round < 40; round++) {
        const held = Array.from({ length: 16 }, () => Buffer.allocUnsafeSlow(1 << 20).fill(round));
        for (const bytes of held) freeMemory(bytes);
      }
      console.log(process.resourceUsage().minorPageFault - before);`;
    const args = ["--import", "tsx", "--input-type=module", "--eval", script];
    return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
  }

  test("frees the one block that makes glibc keep others", () => {
    const taken = vi.spyOn(Buffer, "allocUnsafeSlow");
    keepFreedMemory();
    const blocks = taken.mock.results.map(({ value }) => value as Buffer);
    expect(taken.mock.calls).toEqual([[32 * 1024 * 1024 - 64 * 1024]]);
    taken.mockRestore();
    expect(blocks.map(({ length }) => length)).toEqual([0]);
  });

  test("lets long messages be received into memory that is there, which the system would have to find again", {
    tags: "slow",
  }, () => {
    // What a process frees while it starts may once in a while have glibc keep as much.
    const [kept, control] = [faults(true), Math.max(faults(false), faults(false), faults(false))];
    expect(control).toBeGreaterThan(40_000);
    expect(kept).toBeLessThan(control / 5);
  });
});
