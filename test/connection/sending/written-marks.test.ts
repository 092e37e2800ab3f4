import { describe, expect, test } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import { type SendOutcome, WrittenMarks } from "../../../src/connection/sending/written-marks.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, until } from "../../support/connection-pair.ts";
import { HeldDuplex } from "../../support/held-duplex.ts";

const nextTick = () => new Promise<void>((resolve) => process.nextTick(resolve));

test("a mark is told once all before it has left, in order and in a tick of its own", async () => {
  const transport = { waiting: 5 };
  const marks = new WrittenMarks(transport);
  const told: string[] = [];
  marks.add((outcome) => told.push(`first ${outcome}`))(10);
  marks.add((outcome) => told.push(`second ${outcome}`))(20);
  transport.waiting = 26;
  marks.wrote(20);
  await nextTick();
  expect(told).toEqual([]);
  transport.waiting = 10;
  marks.lookLater();
  expect(told).toEqual([]);
  await nextTick();
  expect(told).toEqual(["first written"]);
  transport.waiting = 0;
  marks.lookLater();
  await nextTick();
  expect(told).toEqual(["first written", "second written"]);
  expect(marks.waits).toBe(false);
});

test("one that stands in line is told behind those before it, and holds back those behind it", async () => {
  const marks = new WrittenMarks({ waiting: 0 });
  const told: SendOutcome[] = [];
  const reached = marks.add((outcome) => told.push(outcome));
  marks.add((outcome) => told.push(outcome))(0);
  marks.lookLater();
  await nextTick();
  expect(told).toEqual([]);
  reached(0);
  await nextTick();
  expect(told).toEqual(["written", "written"]);
});

test("what has not left when the connection ends is told so, and nothing is told twice", async () => {
  const marks = new WrittenMarks({ waiting: 0 });
  const told: SendOutcome[] = [];
  marks.add((outcome) => told.push(outcome))(10);
  marks.add((outcome) => told.push(outcome));
  marks.drop();
  marks.wrote(10);
  marks.drop();
  await nextTick();
  expect(told).toEqual(["lost", "inLine"]);
});

describe.each<Role>(["client", "server"])("a connection as %s", (role) => {
  test("calls back when what was sent has left, and not while its transport holds it", async () => {
    const stream = new HeldDuplex();
    stream.pace = "stalled";
    const connection = connectionOver(stream, role);
    const core = coreOf(connection);
    core.start();
    const told: string[] = [];
    connection.send("x");
    core.sending.afterWritten((outcome) => told.push(outcome));
    await until(() => stream.writableLength > 0);
    expect(told).toEqual([]);
    stream.flow();
    await until(() => told.length > 0);
    expect(told).toEqual(["written"]);
    stream.pace = "stalled";
    connection.send("y");
    core.sending.afterWritten((outcome) => told.push(outcome));
    connection.terminate();
    await connection.closed;
    expect(told).toEqual(["written", "lost"]);
  });

  test("sends bytes as text, whole and in fragments", async () => {
    const { peer, connection } = await connectionPair(role);
    const { sending } = coreOf(connection);
    const bytes = Buffer.from("zwölf");
    expect(sending.sendAs(true, bytes, undefined)).toBe(true);
    expect(sending.sendAs(false, bytes, undefined)).toBe(true);
    expect(sending.sendAs(true, new Blob([bytes]), undefined)).toBe(true);
    sending.sendFragment(true, bytes, { first: true, last: false });
    sending.sendFragment(true, bytes, { first: false, last: true });
    const frames = [];
    for (let count = 0; count < 5; count++) frames.push(await peer.nextFrame());
    expect(frames.map((frame) => [frame?.opcode, frame?.fin, frame?.payload.toString()])).toEqual([
      [1, true, "zwölf"],
      [2, true, "zwölf"],
      [1, true, "zwölf"],
      [1, false, "zwölf"],
      [0, true, "zwölf"],
    ]);
    connection.terminate();
    expect(sending.sendAs(true, bytes, undefined)).toBe(false);
  });
});

describe.each<Role>(["client", "server"])("a compressed connection as %s", (role) => {
  test("compresses bytes as text too, unless it is told not to", async () => {
    const { peer, connection } = await connectionPair(role, { compress: true });
    const { sending } = coreOf(connection);
    sending.sendAs(true, Buffer.from("aaaaaaaaaaaaaaa"), undefined);
    sending.sendAs(true, Buffer.from("b"), false);
    expect(await peer.nextFrame()).toMatchObject({ opcode: 1, rsv: 4 });
    expect(await peer.nextFrame()).toMatchObject({ opcode: 1, rsv: 0 });
  });
});
