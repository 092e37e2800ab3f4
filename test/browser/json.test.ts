/** `json` of pages, over a WebSocket that does what the test says. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { connect } from "../../src/browser/connect.ts";
import { json } from "../../src/browser/json.ts";
import { FakeSocket, settled } from "../reconnecting/turned-clock.ts";

const messages = json({ receives: z.object({ n: z.number() }), sends: z.object({ name: z.string() }) });
let socket: FakeSocket;

beforeEach(() => {
  vi.stubGlobal(
    "WebSocket",
    class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        socket = this;
      }
    },
  );
});

afterEach(() => void vi.unstubAllGlobals());

/** A connection that is open. */
async function opened(options: Parameters<typeof messages.connect>[1] = {}) {
  const connecting = messages.connect("ws://server/", options);
  socket.open("");
  return connecting;
}

test("handlers and loops get what fits, and what is sent is JSON", async () => {
  const seen: unknown[] = [];
  const connection = await opened({
    open: (self) => void self.send({ name: "open" }),
    message: (self, { n }) => void seen.push(self, n),
  });
  socket.message('{"n":1}');
  await settled();
  expect(seen).toEqual([connection, 1]);
  expect(socket.sent).toEqual(['{"name":"open"}']);
  const looping = messages.over(await opening());
  socket.message('{"n":2}');
  for await (const { n } of looping) {
    expect(n).toBe(2);
    break;
  }
});

/** A connection without types. */
async function opening() {
  const connecting = connect("ws://server/");
  socket.open("");
  return connecting;
}

test("what does not fit closes with 4400 and reaches no handler, nor what is behind it", async () => {
  const seen: unknown[] = [];
  await opened({ message: (_, message) => void seen.push(message) });
  socket.message('{"n":"1"}');
  socket.message('{"n":1}');
  await settled();
  expect(seen).toEqual([]);
  expect(socket.closedWith).toEqual([4400, "n: Invalid input: expected number, received string"]);
});

test("what does not fit may be answered otherwise, binary messages too", async () => {
  const seen: unknown[] = [];
  await opened({
    message: (_, { n }) => void seen.push(n),
    invalid: (self, { issues }) => {
      self.send({ name: "what?" });
      seen.push(issues[0]?.message);
    },
  });
  socket.message(new ArrayBuffer(1));
  socket.message('{"n":1}');
  await settled();
  expect(seen).toEqual(["Expected JSON, not a binary message", 1]);
  expect(socket.sent).toEqual(['{"name":"what?"}']);
});

test("what cannot be is refused before anything is dialled", async () => {
  await expect(messages.connect("ws://server/", { invalid: 5 } as never)).rejects.toThrow("invalid must be a function");
});
