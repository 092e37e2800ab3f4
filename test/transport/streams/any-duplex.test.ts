/** Streams of applications: their memory, what they throw, and what they never say. */
import { Buffer } from "node:buffer";
import { afterEach, describe, expect, test, vi } from "vitest";
import { AnyDuplex } from "../../../src/transport/streams/any-duplex.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { Heard } from "../contract.ts";

afterEach(() => void vi.useRealTimers());

function listened() {
  const stream = new HeldDuplex();
  const transport = new AnyDuplex(stream);
  const heard = new Heard();
  transport.listen(heard);
  transport.resume();
  return { stream, transport, heard };
}

describe("a stream", () => {
  test("keeps its chunks: they are copied, since unmasking changes them", async () => {
    const { stream, heard } = listened();
    const theirs = Buffer.from("theirs");
    stream.push(theirs);
    await nextTurn();
    expect([heard.text, theirs.toString()]).toEqual(["theirs", "theirs"]);
  });

  test("may have handed on what it was written, so that is never the writer's again", () => {
    const { stream, transport } = listened();
    expect([transport.write(Buffer.from("a"), false), transport.readsAtOnce]).toEqual(["taken", false]);
    stream.pace = "stalled";
    expect(transport.write(Buffer.from("b"), false)).toBe("taken");
    expect(transport.write(Buffer.alloc(100_000), false)).toBe("full");
    expect([transport.waiting, transport.backlog, transport.keepsPieces]).toEqual([100_001, 100_001, false]);
    expect([transport.givesBack, transport.mayLeaveAtOnce]).toEqual([false, true]);
  });
});

describe.each(["write", "pause", "resume", "end"] as const)("what %s throws", (method) => {
  const act = (transport: AnyDuplex) =>
    method === "write" ? transport.write(Buffer.from("a"), false) : transport[method]();

  test("destroys the stream and is told as its failure", async () => {
    const { stream, transport, heard } = listened();
    const error = new Error("No stream at all");
    stream[method] = () => {
      throw error;
    };
    act(transport);
    expect(transport.destroyed).toBe(true);
    await nextTurn();
    expect([heard.said, heard.error]).toEqual([["failed", "closed"], error]);
  });

  test("is made an error where it is none", async () => {
    const { stream, transport, heard } = listened();
    stream[method] = () => {
      throw "a string";
    };
    act(transport);
    await nextTurn();
    expect(heard.error).toEqual(new Error("The stream threw", { cause: "a string" }));
  });
});

test("a stream whose destroy throws as well has failed and closes in a later turn, once", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { stream, transport, heard } = listened();
  stream.destroy = () => {
    throw new Error("Never");
  };
  transport.destroy();
  transport.destroy();
  expect(heard.said).toEqual([]);
  vi.advanceTimersByTime(0);
  expect([heard.said, heard.error]).toEqual([["failed", "closed"], new Error("Never")]);
  transport.destroy();
  expect(vi.getTimerCount()).toBe(0);
});

test("D01 a destroyed stream that never says that it is closed is given a second, and is not heard any more", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { stream, transport, heard } = listened();
  stream._destroy = () => {};
  transport.destroy();
  vi.advanceTimersByTime(999);
  expect(heard.said).toEqual([]);
  vi.advanceTimersByTime(1);
  for (const event of ["data", "end", "drain", "error", "close"]) stream.emit(event, Buffer.from("late"));
  transport.destroy();
  expect(heard.said).toEqual(["closed"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("D13 no timer is left of a stream that says that it is closed", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { transport, heard } = listened();
  transport.destroy();
  expect(vi.getTimerCount()).toBe(1);
  await nextTurn();
  expect([heard.said, vi.getTimerCount()]).toEqual([["closed"], 0]);
});
