import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { type Connection, coreOf } from "../../../src/connection/connection.ts";
import type { Fragment, Fragments } from "../../../src/connection/sending/fragment-sender.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, gate, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { closeStatus } from "../../support/raw-peer.ts";
import { type ReadFrame, readFrames } from "../../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];
let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  stderr.mockRestore();
});

const shown = (frames: readonly ReadFrame[]): unknown[] =>
  frames.map(({ opcode, fin, payload }) => [opcode, fin, payload.toString()]);

async function* later(...fragments: Fragment[]): AsyncGenerator<Fragment> {
  for (const fragment of fragments) {
    await nextTurn();
    yield fragment;
  }
}

/** An iterable that gives one fragment and then waits; says how often it was asked, and whether it was let go. */
function endless(): { fragments: AsyncIterable<string>; asked: () => number; returned: () => number } {
  let returned = 0;
  let asked = 0;
  const iterator: AsyncIterator<string> = {
    next: () => (asked++ === 0 ? Promise.resolve({ done: false, value: "begun" }) : new Promise(() => {})),
    return: () => {
      returned++;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  return { fragments: { [Symbol.asyncIterator]: () => iterator }, asked: () => asked, returned: () => returned };
}

describe.each(roles)("sendFragments as %s", (role) => {
  test.each<[string, () => Fragments]>([
    ["an iterable", () => ["one ", "two ", "three"]],
    ["an async one", () => later("one ", "two ", "three")],
  ])("%s is one message, a frame a fragment [R6455-5.4-1]", async (_, fragments) => {
    const { connection, peer } = await connectionPair(role);
    await connection.sendFragments(fragments());
    connection.send("after");
    expect(shown(await peer.nextFrames(5))).toEqual([
      [1, false, "one "],
      [0, false, "two "],
      [0, false, "three"],
      [0, true, ""],
      [1, true, "after"],
    ]);
  });

  test("bytes in every form are binary, and a binary message may hold strings", async () => {
    const { connection, peer } = await connectionPair(role);
    const bytes = Buffer.from("0123456789");
    await connection.sendFragments([bytes.subarray(1, 3), new Uint8Array([0x41, 0x42]).buffer]);
    await connection.sendFragments(["text", new DataView(new Uint8Array([0x43]).buffer)], { text: false });
    expect(shown(await peer.nextFrames(6))).toEqual([
      [2, false, "12"],
      [0, false, "AB"],
      [0, true, ""],
      [2, false, "text"],
      [0, false, "C"],
      [0, true, ""],
    ]);
  });

  test("nothing at all is an empty message, and empty fragments are none", async () => {
    const { connection, peer } = await connectionPair(role);
    await connection.sendFragments([]);
    await connection.sendFragments(["", ""], { text: true });
    await connection.sendFragments(["", "x", ""]);
    expect(shown(await peer.nextFrames(4))).toEqual([
      [2, true, ""],
      [1, true, ""],
      [1, false, "x"],
      [0, true, ""],
    ]);
  });

  test("text is UTF-8 as a whole, wherever strings and bytes are cut [R6455-5.6-1]", async () => {
    const { connection, peer } = await connectionPair(role);
    const globe = Buffer.from("\ud83c\udf0d");
    const cut: Fragment[][] = [
      ["a\ud83c", "\udf0db"],
      ["\ud83c", "x"],
      ["x\ud83c"],
      ["\udf0d"],
      [globe.subarray(0, 2), globe.subarray(2)],
      ["\ud83c", Buffer.from("y")],
    ];
    const expected = ["a\ud83c\udf0db", "\ufffdx", "x\ufffd", "\ufffd", "\ud83c\udf0d", "\ufffdy"];
    for (const [index, fragments] of cut.entries()) {
      await connection.sendFragments(fragments, { text: true });
      const frames: ReadFrame[] = [];
      while (!frames.at(-1)?.fin) frames.push((await peer.nextFrame())!);
      expect(Buffer.concat(frames.map(({ payload }) => payload)).toString()).toBe(expected[index]);
    }
  });

  test("an iterable that gives nothing for ever leaves the others their turns, and is asked no more at the end", async () => {
    const { connection } = await connectionPair(role);
    let asked = 0;
    const nothing = (function* () {
      for (;;) {
        // What starves the timers would never let this test end by itself.
        if (++asked > 1_000_000) throw new Error("Nobody else had a turn");
        yield "";
      }
    })();
    const sending = connection.sendFragments(nothing);
    await nextTurn();
    connection.terminate();
    await expect(sending).rejects.toThrow("closing or closed");
    expect(asked).toBeLessThan(1_000_000);
  });

  test("a promise among the fragments is refused, and what it rejects with is nobody's [D10]", async () => {
    const { connection, peer } = await connectionPair(role);
    const rejected: unknown[] = [];
    const listener = (reason: unknown) => void rejected.push(reason);
    process.on("unhandledRejection", listener);
    try {
      const promises = [Promise.reject(new Error("unread"))] as unknown as string[];
      await expect(connection.sendFragments(promises)).rejects.toThrow(TypeError);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      await nextTurn();
    } finally {
      process.off("unhandledRejection", listener);
    }
    expect(rejected).toEqual([]);
  });

  test("later sends and the Close stand in line, control frames go between [G76 G80 G90]", async () => {
    const { connection, peer } = await connectionPair(role);
    const { opened, open } = gate();
    const sent = connection.sendFragments(
      (async function* () {
        yield "a";
        await opened;
        yield "b";
      })(),
    );
    connection.send("second");
    const second = connection.sendFragments(["third"]);
    connection.close();
    expect(shown(await peer.nextFrames(1))).toEqual([[1, false, "a"]]);
    expect(connection.bufferedAmount).toBeGreaterThanOrEqual(6);
    peer.send({ opcode: 9, payload: "?" });
    expect(shown(await peer.nextFrames(1))).toEqual([[10, true, "?"]]);
    open();
    await sent;
    await second;
    expect(shown(await peer.nextFrames(5))).toEqual([
      [0, false, "b"],
      [0, true, ""],
      [1, true, "second"],
      [1, false, "third"],
      [0, true, ""],
    ]);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
  });

  test("nothing is asked of the iterable while the outbox is above its high-water mark [D04]", async () => {
    const socket = new HeldDuplex(100);
    socket.pace = "stalled";
    const connection = connectionOver(socket, role, { limits: { outboxHighWaterMark: 1000 } });
    coreOf(connection).start();
    let asked = 0;
    const fragments = function* () {
      for (; asked < 50; asked++) yield "x".repeat(100);
    };
    const sent = connection.sendFragments(fragments());
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect(asked).toBeGreaterThanOrEqual(8);
    expect(asked).toBeLessThanOrEqual(11);
    socket.flow();
    await sent;
    await nextTurn();
    expect(readFrames(socket.written)).toHaveLength(51);
  });

  test("what stands in line behind it does not hold it back, however much that is [D04]", async () => {
    const { connection, peer } = await connectionPair(role);
    const sent = connection.sendFragments(later("a", "b"));
    const much = new Uint8Array(coreOf(connection).limits.outboxHighWaterMark).fill(1);
    expect(connection.send(much)).toBe(false);
    await sent;
    await connection.ready;
    expect(shown(await peer.nextFrames(3))).toEqual([
      [1, false, "a"],
      [0, false, "b"],
      [0, true, ""],
    ]);
    expect((await peer.nextFrame())?.payload.equals(much)).toBe(true);
  });

  test("the end of the connection ends the wait for room [D04]", async () => {
    const socket = new HeldDuplex(100);
    socket.pace = "stalled";
    const connection = connectionOver(socket, role, { limits: { outboxHighWaterMark: 1000 } });
    coreOf(connection).start();
    let returned = false;
    const fragments = async function* () {
      try {
        for (;;) yield "x".repeat(2000);
      } finally {
        returned = true;
      }
    };
    const sent = connection.sendFragments(fragments());
    await until(() => connection.bufferedAmount > 1000);
    connection.terminate();
    await expect(sent).rejects.toThrow("Cannot send: the connection is closing or closed");
    await until(() => returned);
  });

  test("memory that an iterable fills again is its own at once [D12]", async () => {
    const { connection, peer } = await connectionPair(role);
    const memory = new Uint8Array(100_000);
    await connection.sendFragments(
      (function* () {
        for (let value = 1; value <= 3; value++) yield memory.fill(value);
      })(),
    );
    const frames = await peer.nextFrames(4);
    expect(frames.map(({ payload }) => new Set(payload))).toEqual([
      new Set([1]),
      new Set([2]),
      new Set([3]),
      new Set([]),
    ]);
  });

  test("an uncompressed message where permessage-deflate was agreed", async () => {
    const { connection, peer } = await connectionPair(role, { compress: true });
    await connection.sendFragments(["aaaaaaaaaaaaaaaa"]);
    expect((await peer.nextFrames(2)).map(({ rsv }) => rsv)).toEqual([0, 0]);
  });

  describe("that goes wrong", () => {
    test("what the iterable throws fails the connection with 1011, once [D09]", async () => {
      const thrown = new Error("no more");
      const errors: Error[] = [];
      const { connection, peer } = await connectionPair(role, {
        handlers: {
          message: (own: Connection) =>
            own.sendFragments(
              (async function* () {
                yield "begun";
                throw thrown;
              })(),
            ),
          error: (_, error) => errors.push(error),
        },
      });
      peer.text("go");
      expect(shown(await peer.nextFrames(1))).toEqual([[1, false, "begun"]]);
      connection.send("never sent");
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      peer.close(1011);
      peer.end();
      const report = await connection.closed;
      expect(report.error).toBe(thrown);
      expect(errors).toEqual([thrown]);
    });

    test.each<[string, Fragments, boolean | undefined, RegExp]>([
      ["a number", [1] as unknown as string[], undefined, /must be a string/],
      ["a Blob", [new Blob(["x"])] as unknown as string[], undefined, /a fragment must be/],
      ["bytes that are no UTF-8", [Uint8Array.of(0xff)], true, /not UTF-8/],
      ["half a character", [Uint8Array.of(0xc3)], true, /ends within a character/],
      ["half a character before a string", [Uint8Array.of(0xc3), "x"], true, /not UTF-8/],
    ])("%s fails it too, and the promise rejects", async (_, fragments, text, message) => {
      const { connection, peer } = await connectionPair(role);
      const sent = connection.sendFragments(fragments, text === undefined ? {} : { text });
      await expect(sent).rejects.toThrow(message);
      let frame = await peer.nextFrame();
      while (frame?.opcode !== 8) frame = await peer.nextFrame();
      expect(closeStatus(frame)?.code).toBe(1011);
      expect(stderr).toHaveBeenCalledOnce();
    });

    /** Iterators that are not what they should be. */
    const odd: [string, () => unknown][] = [
      ["undefined", () => undefined],
      ["null", () => null],
      ["a number", () => 5],
      ["a string", () => "done"],
      ["a promise of undefined", () => Promise.resolve(undefined)],
      [
        "a thenable that throws",
        () => ({
          // biome-ignore lint/suspicious/noThenProperty: it is the fault
          then: () => {
            throw new TypeError("no thenable");
          },
        }),
      ],
      [
        "a thenable that calls back twice, with nothing",
        () => ({
          // biome-ignore lint/suspicious/noThenProperty: it is the fault
          then: (resolve: (value: unknown) => void, reject: (error: Error) => void) => {
            resolve(undefined);
            reject(new Error("twice"));
          },
        }),
      ],
      [
        "a result whose getter throws",
        () => ({
          get done() {
            throw new TypeError("no getter");
          },
        }),
      ],
    ];
    test.each(odd)("%s in the place of a result fails the connection with 1011 [R6455-5.4-3, D09]", async (_, give) => {
      const errors: Error[] = [];
      const { connection, peer } = await connectionPair(role, {
        handlers: { error: (_connection, error) => void errors.push(error) },
      });
      let asked = 0;
      const next = () => (asked++ === 0 ? { done: false, value: "begun" } : give());
      const sending = connection.sendFragments({ [Symbol.iterator]: () => ({ next }) } as unknown as Fragments);
      connection.send("behind");
      await expect(sending).rejects.toThrow(TypeError);
      expect(connection.send("late")).toBe(false);
      if (role === "server") coreOf(connection).sending.sendFrames(Buffer.of(0x81, 0), 1);
      expect(shown(await peer.nextFrames(1))).toEqual([[1, false, "begun"]]);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      expect(errors).toHaveLength(1);
      peer.close(1011);
      peer.end();
      expect(await connection.closed).toMatchObject({ unsentMessages: 2, sent: { code: 1011 } });
    });

    if (role === "server") {
      test("what is published waits while a fragment is awaited, whatever the outbox holds [R6455-5.4-3]", async () => {
        const { connection, peer } = await connectionPair(role);
        const { opened, open } = gate();
        const sent = connection.sendFragments(
          (async function* () {
            yield "a";
            await opened;
          })(),
        );
        await peer.nextFrame();
        coreOf(connection).sending.sendFrames(Buffer.of(0x81, 1, 0x70), 1);
        await nextTurn();
        expect(peer.received).toHaveLength(0);
        open();
        await sent;
        expect(shown(await peer.nextFrames(2))).toEqual([
          [0, true, ""],
          [1, true, "p"],
        ]);
      });
    }

    test("one that waits behind it is let go and never asked", async () => {
      const { connection, peer } = await connectionPair(role);
      const failing = connection.sendFragments(
        (async function* () {
          yield "begun";
          throw new Error("no more");
        })(),
      );
      const behind = endless();
      const waiting = connection.sendFragments(behind.fragments);
      await expect(failing).rejects.toThrow("no more");
      await expect(waiting).rejects.toThrow("Cannot send: the connection is closing or closed");
      expect([behind.asked(), behind.returned()]).toEqual([0, 1]);
      expect(shown(await peer.nextFrames(1))).toEqual([[1, false, "begun"]]);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1011);
      expect(stderr).toHaveBeenCalledOnce();
    });

    test.each([["text"], [new Uint8Array(2)], [5], [undefined], [null], [{}]])("%j is no iterable", async (value) => {
      const { connection } = await connectionPair(role);
      expect(() => connection.sendFragments(value as unknown as Fragments)).toThrow(TypeError);
      expect(connection.readyState).toBe(1);
    });

    test.each([[undefined], [{}], [{ next: 5 }]])("%j is no iterator of one", async (iterator) => {
      const { connection } = await connectionPair(role);
      const message = "Cannot send: the iterator of the fragments has no method `next`";
      for (const kind of [Symbol.iterator, Symbol.asyncIterator]) {
        const fragments = { [kind]: () => iterator } as unknown as Fragments;
        expect(() => connection.sendFragments(fragments)).toThrow(new TypeError(message));
      }
      expect([connection.readyState, connection.send("still open")]).toEqual([1, true]);
    });

    test("the end of the connection lets the iterable go and rejects, heard or not", async () => {
      const { connection, peer } = await connectionPair(role);
      const { fragments, returned } = endless();
      const sent = connection.sendFragments(fragments);
      const behind = endless();
      const waiting = connection.sendFragments(behind.fragments);
      await peer.nextFrame();
      peer.reset();
      await connection.closed;
      await expect(sent).rejects.toThrow("Cannot send: the connection is closing or closed");
      await expect(waiting).rejects.toThrow("Cannot send");
      const late = endless();
      await expect(connection.sendFragments(late.fragments)).rejects.toThrow("Cannot send");
      expect([returned(), behind.returned(), late.returned()]).toEqual([1, 1, 1]);
      expect(stderr).not.toHaveBeenCalled();
    });

    test("the echo of a Close waits for the message that is being sent [R6455-5.5.1-4]", async () => {
      const { connection, peer } = await connectionPair(role, { handlers: { message: () => {} } });
      const { opened, open } = gate();
      const sent = connection.sendFragments(
        (async function* () {
          yield "a";
          await opened;
          yield "b";
        })(),
      );
      await peer.nextFrame();
      peer.close(1000);
      await until(() => coreOf(connection).endpoint.state === "peerClosing");
      await nextTurn();
      open();
      await sent;
      expect(shown(await peer.nextFrames(2))).toEqual([
        [0, false, "b"],
        [0, true, ""],
      ]);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
    });

    test("and no longer than two seconds", async () => {
      const { connection, peer } = await connectionPair(role, { handlers: { message: () => {} } });
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { fragments, returned } = endless();
      const sent = connection.sendFragments(fragments);
      await peer.nextFrame();
      peer.close(1000);
      await until(() => coreOf(connection).endpoint.state === "peerClosing");
      await nextTurn();
      expect(coreOf(connection).endpoint.closeSent).toBeUndefined();
      vi.advanceTimersByTime(2000);
      vi.useRealTimers();
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
      peer.end();
      await expect(sent).rejects.toThrow("Cannot send");
      expect(returned()).toBe(1);
    });
  });
});
