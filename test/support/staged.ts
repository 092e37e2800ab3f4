/**
 * A connection brought into each state that a call can find it in, with what it sends read by a raw peer.
 */
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../src/connection/handlers/handlers.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { connectionOver, connectionPair, gate, until } from "./connection-pair.ts";
import { HeldDuplex, nextTurn } from "./held-duplex.ts";
import { closeFrame } from "./raw-peer.ts";
import { frameFrom, peerOf, type ReadFrame, readFrames } from "./wire.ts";

/** The states, by what the application or the peer is in the middle of. */
export const states = ["open", "handler", "streaming", "stalled", "closing", "peerClosing", "closed"] as const;
export type State = (typeof states)[number];

/** Whether messages are still sent in this state. */
export function sends(state: State): boolean {
  return state !== "closing" && state !== "closed";
}

/** A connection in a state. */
export interface Staged {
  readonly connection: Connection;
  /** What went to the `error` handler. */
  readonly errors: readonly unknown[];
  /** Does something in the state. */
  act(work: () => void): Promise<void>;
  /** Leaves the state, closes unless somebody has, and returns all frames that were sent. */
  finish(): Promise<ReadFrame[]>;
}

/** How `finish` closes. */
export const finalCode = 4000;

/** Makes a connection in the role and brings it into the state. */
export async function stage(role: Role, state: State, compress = false): Promise<Staged> {
  const errors: unknown[] = [];
  const held = gate();
  let work: (() => void) | undefined;
  let worked = false;
  const handlers: ConnectionHandlers<Connection> = {
    error: (_, error) => void errors.push(error),
    message: () => {
      work?.();
      worked = true;
      return state === "peerClosing" ? held.opened : undefined;
    },
  };
  if (state === "stalled") return stageStalled(role, compress, errors, handlers);
  const { connection, peer } = await connectionPair(role, { compress, handlers });
  // Nothing is read off the peer before the end, so its bytes can be looked at again and again.
  const sentClose = () => wholeFrames(peer.received).some(({ opcode }) => opcode === 8);
  let streaming: Promise<unknown> | undefined;
  if (state === "streaming") {
    streaming = connection.sendFragments(
      (async function* () {
        yield "<";
        await held.opened;
        yield ">";
      })(),
    );
    streaming.catch(() => {});
    await until(() => peer.received.length > 0);
  }
  if (state === "closing") {
    connection.close(finalCode);
    await until(sentClose);
  }
  if (state === "peerClosing") {
    peer.text("go");
    peer.close(4001);
    await until(() => coreOf(connection).endpoint.state === "peerClosing");
  }
  if (state === "closed") {
    connection.terminate();
    await connection.closed;
  }
  return {
    connection,
    errors,
    act: async (given) => {
      if (state !== "handler") return given();
      let thrown: { error: unknown } | undefined;
      work = () => {
        try {
          given();
        } catch (error) {
          thrown = { error };
        }
      };
      worked = false;
      peer.text("go");
      await until(() => worked || connection.readyState === 3);
      if (thrown) throw thrown.error;
    },
    finish: async () => {
      held.open();
      await streaming?.catch(() => {});
      if (streaming) await nextTurn();
      connection.close(finalCode);
      await until(() => sentClose() || peer.ended);
      if (state !== "peerClosing") peer.close(finalCode);
      peer.end();
      await connection.closed;
      await until(() => peer.ended);
      return readFrames(peer.received);
    },
  };
}

function stageStalled(
  role: Role,
  compress: boolean,
  errors: unknown[],
  handlers: ConnectionHandlers<Connection>,
): Staged {
  const socket = new HeldDuplex();
  socket.pace = "stalled";
  const connection = connectionOver(socket, role, { compress, handlers });
  coreOf(connection).start();
  connection.send("s".repeat(20_000), { compress: false });
  return {
    connection,
    errors,
    act: async (work) => {
      await until(() => coreOf(connection).endpoint.stalled);
      work();
    },
    finish: async () => {
      socket.flow();
      connection.close(finalCode);
      await until(() => wholeFrames(socket.written).some(({ opcode }) => opcode === 8));
      socket.push(frameFrom(peerOf(role), closeFrame(finalCode)));
      socket.push(null);
      await connection.closed;
      const [first, ...frames] = readFrames(socket.written);
      if (first?.payload.length !== 20_000) throw new Error("The message that stalled it did not come first");
      return frames;
    },
  };
}

/** The frames that have come whole. */
function wholeFrames(bytes: Buffer): ReadFrame[] {
  for (let end = bytes.length; ; ) {
    try {
      return readFrames(bytes.subarray(0, end));
    } catch {
      end = lastFrameStart(bytes);
    }
  }
}

/** Where the last, unfinished frame begins. */
function lastFrameStart(bytes: Buffer): number {
  let at = 0;
  for (;;) {
    const short = bytes[at + 1]! & 127;
    const header = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (bytes[at + 1]! >= 128 ? 4 : 0);
    if (bytes.length < at + header) return at;
    const length =
      short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    if (!(at + header + length <= bytes.length)) return at;
    at += header + length;
  }
}
