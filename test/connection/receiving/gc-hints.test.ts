import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { connectionLimits } from "../../../src/connection/options/limits.ts";
import { newCounters } from "../../../src/connection/process-wide/diagnostics.ts";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { realTime } from "../../../src/transport/clock.ts";
import { ScriptedTransport } from "../../support/scripted-transport.ts";
import { frameFrom, peerOf } from "../../support/wire.ts";

describe("memory of long messages that is kept", () => {
  /** What `keepFreedMemory` takes, to free it. */
  const block = 32 * 1024 * 1024 - 64 * 1024;
  let taken: MockInstance<(size: number) => Buffer>;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
    vi.resetModules();
    taken = vi.spyOn(Buffer, "allocUnsafeSlow");
  });

  afterEach(() => {
    taken.mockRestore();
    vi.useRealTimers();
  });

  const blocks = () => taken.mock.calls.filter(([size]) => size === block).length;

  test.each([4096, 16 * 1024, 1024 * 1024])(
    "memory is kept once 32 MiB came within a second in messages of %d bytes, and for good",
    async (size) => {
      const { messageCame } = await import("../../../src/connection/receiving/gc-hints.ts");
      const long = new Uint8Array(size);
      const most = (32 * 1024 * 1024) / size;
      for (let call = 0; call < most - 1; call++) messageCame(long);
      vi.advanceTimersByTime(1000);
      for (let call = 0; call < most - 1; call++) messageCame(long);
      expect(blocks()).toBe(0);
      vi.advanceTimersByTime(999);
      for (let call = 0; call < 2 * most; call++) messageCame(long);
      expect(blocks()).toBe(1);
    },
  );

  describe.each<Role>(["server", "client"])("a %s", (role) => {
    test.each([
      ["counts each message of 300 KiB once, however many reads it takes", 300 * 1024, 3, 1],
      ["counts one that comes in one read", 300 * 1024, 1, 1],
      ["counts less for shorter ones", 250 * 1024, 3, 0],
    ])("%s", async (_, length, reads, kept) => {
      const { connectionPair, until } = await import("../../support/connection-pair.ts");
      let seen = 0;
      const { peer } = await connectionPair(role, { handlers: { message: () => void seen++ } });
      const send = async (messages: number) => {
        const frame = frameFrom(peerOf(role), { opcode: 2, payload: Buffer.alloc(length) });
        const wanted = seen + messages;
        for (let message = 0; message < messages; message++) {
          for (let part = 0; part < reads; part++) {
            peer.socket.write(frame.subarray((part * frame.length) / reads, ((part + 1) * frame.length) / reads));
            for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
          }
        }
        await until(() => seen === wanted);
      };
      await send(60);
      expect(blocks()).toBe(0);
      await send(60);
      expect(blocks()).toBe(kept);
    });
  });
});

describe("collections that long messages set off", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  /** The parts of the connection as they are where the runtime says these versions of its parts; `taken` counts arrays. */
  async function runtimeWith(versions: Record<string, string | undefined>) {
    vi.resetModules();
    const { v8, bun } = process.versions;
    const stub = Object.create(process, { versions: { value: { ...process.versions, v8, bun, ...versions } } });
    vi.stubGlobal("process", stub);
    const { connectionPair, until } = await import("../../support/connection-pair.ts");
    vi.unstubAllGlobals();
    const taken: number[] = [];
    const count = () => {
      const counted = new Proxy(Array, {
        construct: (target, lengths: [number]) => {
          if (lengths.length === 1 && lengths[0] >= 100) taken.push(lengths[0]);
          return Reflect.construct(target, lengths) as object;
        },
      });
      vi.stubGlobal("Array", counted);
    };
    return { connectionPair, until, taken, count };
  }

  const sum = (lengths: readonly number[]) => lengths.reduce((total, length) => total + length, 0);

  describe.each<Role>(["server", "client"])("a %s", (role) => {
    async function receive(versions: Record<string, string | undefined>, opcode: number, size: number, borrow = false) {
      const { connectionPair, until, taken, count } = await runtimeWith(versions);
      let seen = 0;
      const handlers = { message: () => void seen++ };
      const { peer } = await connectionPair(role, { handlers, endpoint: { lendsBytes: borrow } });
      count();
      peer.socket.write(frameFrom(peerOf(role), { opcode, payload: Buffer.alloc(size, "x") }));
      await until(() => seen === 1);
      vi.unstubAllGlobals();
      expect(taken.every((length) => length <= 4096)).toBe(true);
      return 8 * sum(taken);
    }

    test.each([
      ["13.6.233.10-node.28", 16 * 1024],
      ["12.4.254.21-node.33", 1024 * 1024],
    ])("takes a third of its size in the heap, with V8 %s for a message of %d bytes", async (v8, size) => {
      const bytes = await receive({ v8, bun: undefined }, 2, size);
      expect(bytes).toBeGreaterThan(size / 3 - 100);
      expect(bytes).toBeLessThanOrEqual(size / 3);
    });

    test.each<[string, Record<string, string | undefined>, number, number]>([
      ["a short message", { v8: "13.6" }, 2, 4095],
      ["text, which lies in the heap", { v8: "13.6" }, 1, 16 * 1024],
      ["Bun, which names a V8 that it has not", { v8: "13.6", bun: "1.4.5" }, 2, 16 * 1024],
      ["a runtime without V8", { v8: undefined }, 2, 16 * 1024],
    ])("takes nothing for %s", async (_, versions, opcode, size) => {
      expect(await receive(versions, opcode, size)).toBe(0);
    });

    test("takes nothing for a message that is only borrowed, and was only read", async () => {
      expect(await receive({ v8: "13.6" }, 2, 16 * 1024, true)).toBe(0);
    });
  });

  test.each<[string, Record<string, string | undefined>, number, boolean, number]>([
    [
      "two thirds of 16 KiB that wait",
      { v8: "11.3.244.8-node.33", bun: undefined },
      16 * 1024,
      true,
      (16 * 1024 * 2) / 3,
    ],
    ["nothing for what left at once", {}, 16 * 1024, false, 0],
    ["nothing for little", {}, 4000, true, 0],
    ["nothing for what is not copied", {}, 70 * 1024, true, 0],
    ["nothing on Bun", { bun: "1.4.5" }, 16 * 1024, true, 0],
    ["nothing without V8", { v8: undefined }, 16 * 1024, true, 0],
  ])("output takes %s in the heap", async (_, versions, size, waits, expected) => {
    const { taken, count } = await runtimeWith(versions);
    const { Outbox } = await import("../../../src/connection/sending/outbox.ts");
    const transport = new ScriptedTransport();
    const endpoint = new Endpoint({ role: "server" });
    const nothing = () => {};
    const outbox = new Outbox(endpoint, transport, {
      limits: connectionLimits,
      counters: newCounters(),
      clock: realTime,
      ...{ outboxLow: nothing, outboxStuck: nothing, outboxLate: nothing },
      ...{ outboxTooLarge: nothing, outboxSpoiled: nothing },
    });
    transport.stalls = waits;
    endpoint.sendMessage(Buffer.alloc(size));
    count();
    outbox.flush();
    vi.unstubAllGlobals();
    expect(8 * sum(taken)).toBeGreaterThan(expected - 100);
    expect(8 * sum(taken)).toBeLessThan(expected + 8);
    outbox.drained();
  });

  test("what is taken sets off collections of young objects", async () => {
    const { takeYoung } = await import("../../../src/connection/receiving/gc-hints.ts");
    const kinds: number[] = [];
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) kinds.push((entry as unknown as { detail: { kind: number } }).detail.kind);
    });
    observer.observe({ entryTypes: ["gc"] });
    for (let message = 0; message < 1000; message++) takeYoung(256 * 1024);
    while (kinds.filter((kind) => kind === 1).length < 4) await new Promise((resolve) => setImmediate(resolve));
    observer.disconnect();
  });
});
