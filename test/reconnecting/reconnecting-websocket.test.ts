import { describe, expect, test, vi } from "vitest";
import type { End } from "../../src/reconnecting/policy/attempt.ts";
import { ReconnectingWebSocket } from "../../src/reconnecting/reconnecting-websocket.ts";
import { epoch, openStage, type Stage, settled, stage } from "./turned-clock.ts";

/** Lets the wait pass and opens the next connection. */
async function comeBack({ due, last }: Stage): Promise<void> {
  await due();
  last().open();
  await settled();
}

describe("the object", () => {
  test("is an EventTarget with the members of a WebSocket", async () => {
    const { socket, last } = await openStage({ protocols: ["a", "b"] });
    expect(socket).toBeInstanceOf(EventTarget);
    expect(socket).toBeInstanceOf(ReconnectingWebSocket);
    expect([socket.CONNECTING, socket.OPEN, socket.CLOSING, socket.CLOSED]).toEqual([0, 1, 2, 3]);
    const { CONNECTING, OPEN, CLOSING, CLOSED } = ReconnectingWebSocket;
    expect([CONNECTING, OPEN, CLOSING, CLOSED]).toEqual([0, 1, 2, 3]);
    expect(last().protocols).toEqual(["a", "b"]);
    last().protocol = "b";
    const { url, protocol, extensions, readyState, bufferedAmount, binaryType } = socket;
    expect({ url, protocol, extensions, readyState, bufferedAmount, binaryType }).toEqual({
      ...{ url: "ws://server/", protocol: "b", extensions: "", readyState: 1, bufferedAmount: 0, binaryType: "blob" },
    });
  });

  test("has a handler attribute for each event", async () => {
    const { socket, last, due } = stage({ queue: { maxSize: 1, overflow: "drop-oldest" } });
    const seen: string[] = [];
    for (const type of ["open", "message", "error", "close", "statechange", "unsent"] as const) {
      expect(socket[`on${type}`]).toBeNull();
      const handler = ({ type: seenType }: Event) => void seen.push(seenType);
      socket[`on${type}`] = handler;
      expect(socket[`on${type}`]).toBe(handler);
    }
    socket.send("a");
    socket.send("b");
    await settled();
    last().end();
    await due();
    last().open();
    await settled();
    last().message("x");
    last().end(1008);
    await settled();
    const once = [
      "unsent",
      "statechange",
      "error",
      "statechange",
      "statechange",
      "open",
      "message",
      "statechange",
      "close",
    ];
    expect(seen).toEqual(once);
    for (const type of ["open", "message", "error", "close", "statechange", "unsent"] as const)
      socket[`on${type}`] = null;
    expect(socket.onclose).toBeNull();
  });

  test("keeps binaryType over connections", async () => {
    const made = await openStage();
    made.socket.binaryType = "arraybuffer";
    expect(made.last().binaryType).toBe("arraybuffer");
    made.socket.binaryType = "other" as "blob";
    expect(made.socket.binaryType).toBe("arraybuffer");
    made.last().end();
    await comeBack(made);
    expect(made.dialled).toHaveLength(2);
    expect(made.last().binaryType).toBe("arraybuffer");
  });

  test("throws at once for a URL that no WebSocket takes", () => {
    for (const url of ["", "mailto:x", "ftp://server", "ws://server/#part", "//server", "ws:"]) {
      expect(() => stage({ url }), url).toThrow(expect.objectContaining({ name: "SyntaxError" }));
    }
    expect(() => stage({ url: "ws://user:secret@:x" })).toThrow(expect.not.objectContaining({ message: /secret/ }));
    for (const url of ["http://server", "https://server", new URL("wss://server")]) {
      expect(stage({ url }).socket.url).toMatch(/^wss?:\/\/server\/$/);
    }
  });

  test("throws at once for options that cannot be", () => {
    for (const options of [
      { reconnect: { firstDelay: 0 } },
      { queue: { maxSize: -1 } },
      { queue: { maxAge: 0 } },
      { heartbeat: { interval: 0 } },
      { heartbeat: { timeout: Number.NaN } },
    ]) {
      expect(() => stage(options), JSON.stringify(options)).toThrow();
    }
  });

  test("throws what close of the WebSocket throws, and stays open", async () => {
    const { socket, last } = await openStage();
    last().close = () => {
      throw new DOMException("no", "InvalidAccessError");
    };
    expect(() => socket.close(1001)).toThrow(expect.objectContaining({ name: "InvalidAccessError" }));
    expect(socket.state).toBe("open");
  });

  test("dials in a microtask, so that one that is closed at once costs no handshake", async () => {
    const { socket, dialled, told } = stage();
    expect(dialled).toHaveLength(0);
    socket.close();
    await settled();
    expect(dialled).toHaveLength(0);
    expect(told).toEqual(["closed", "close 1006 final"]);
  });
});

describe("providers", () => {
  test("are asked for each attempt, and see its number and how the last one ended [realtime-js#123]", async () => {
    const seen: unknown[] = [];
    const made = stage({
      url: async ({ number, last, resume, signal }) => {
        seen.push([number, last?.code, last?.opened, resume, signal.aborted]);
        return `ws://server/?token=${number}`;
      },
      protocols: ({ number }) => `v${number}`,
    });
    await settled();
    made.last().end(4401);
    await made.due();
    made.last().open();
    await settled();
    await made.clock.turn(10_000);
    made.last().end(4401);
    await made.due();
    expect(seen).toEqual([
      [1, undefined, undefined, undefined, false],
      [2, 4401, false, undefined, false],
      [3, 4401, true, undefined, false],
    ]);
    expect(made.dialled.map(({ url }) => url)).toEqual([1, 2, 3].map((number) => `ws://server/?token=${number}`));
    expect(made.dialled.map(({ protocols }) => protocols)).toEqual([["v1"], ["v2"], ["v3"]]);
  });

  test("a token that is refused twice is the end [partykit#409]", async () => {
    const made = stage({ url: ({ number }) => `ws://server/${number}` });
    await settled();
    made.last().open();
    await settled();
    made.last().end(4401);
    await made.due();
    made.last().open();
    await settled();
    made.last().end(4401);
    expect(made.socket.state).toBe("closed");
    expect(made.told.at(-1)).toBe("close 4401 final");
  });

  test("a token that is refused without a provider is the end at once", async () => {
    const { socket, last } = await openStage();
    last().end(3000);
    expect(socket.state).toBe("closed");
  });

  test("one that throws, rejects or gives what is no URL is a failed attempt [partykit#252] [graphql-ws#354]", async () => {
    const answers = [
      () => {
        throw new Error("thrown");
      },
      () => Promise.reject(new Error("rejected")),
      () => "ws://server/",
    ];
    const made = stage({ url: ({ number }) => answers[number - 1]!() });
    await settled();
    await made.due();
    await made.due();
    made.last().open();
    await settled();
    const failures = ["waiting", "error thrown", "connecting", "waiting", "error rejected", "connecting"];
    expect(made.told).toEqual([...failures, "open", "open!"]);
  });

  test("one that hangs meets the time of the attempt, and its signal says so", async () => {
    let given: AbortSignal | undefined;
    const made = stage({
      url: ({ signal }) => {
        given = signal;
        return new Promise(() => {});
      },
      reconnect: { handshakeTimeout: 3000 },
    });
    await made.clock.turn(2999);
    expect([made.socket.state, given?.aborted]).toEqual(["connecting", false]);
    await made.clock.turn(1);
    expect([made.socket.state, given?.aborted]).toEqual(["waiting", true]);
    expect(made.told.at(-1)).toBe("error Cannot connect: it took longer than 3000 ms");
  });

  test("what a provider or a dial gives too late is left alone: there are never two sockets [reconnecting-websocket#39]", async () => {
    const given: ((url: string) => void)[] = [];
    const made = stage({ url: () => new Promise<string>((resolve) => given.push(resolve)) });
    await settled();
    made.socket.reconnect();
    await settled();
    given[0]!("ws://server/late");
    await settled();
    expect(made.dialled).toHaveLength(0);
    given[1]!("ws://server/now");
    await settled();
    expect(made.dialled.map(({ url }) => url)).toEqual(["ws://server/now"]);
  });
});

describe("coming back", () => {
  test("each connection fires open and then one close, and the last event is a close that is final", async () => {
    const made = await openStage();
    made.last().end(1006);
    await comeBack(made);
    made.last().end(1001);
    await comeBack(made);
    made.socket.close(4000, "bye");
    expect(made.last().closedWith).toEqual([4000, "bye"]);
    made.last().end(4000);
    await settled();
    const rounds = [1006, 1001].flatMap((code) => ["waiting", `close ${code}`, "connecting", "open", "open!"]);
    expect(made.told).toEqual([...rounds, "closing", "closed", "close 4000 final"]);
  });

  test("a failed attempt fires error only", async () => {
    const made = await openStage();
    made.last().end();
    made.take();
    for (let attempt = 0; attempt < 3; attempt++) {
      await made.due();
      made.last().end();
    }
    expect(made.take()).toEqual([
      "connecting",
      "waiting",
      "error",
      "connecting",
      "waiting",
      "error",
      "connecting",
      "waiting",
      "error",
    ]);
  });

  test("a server that closes with 1000 is not the end [phoenix#3161]", async () => {
    const made = await openStage();
    made.last().end(1000);
    await comeBack(made);
    expect(made.socket.state).toBe("open");
  });

  test("retryAt says when, in milliseconds since the epoch, while waiting only", async () => {
    const { socket, last, clock } = await openStage({ reconnect: { firstDelay: 1000, factor: 2 } });
    expect(socket.retryAt).toBe(0);
    await clock.turn(10_000);
    last().end();
    expect(socket.retryAt).toBe(epoch + 10_000 + 500);
    await clock.turn(500);
    expect([socket.state, socket.retryAt]).toEqual(["connecting", 0]);
  });

  test("failures count in a row, and are forgotten once a connection was open for stableAfter", async () => {
    const made = await openStage({ reconnect: { firstDelay: 1000, factor: 2, stableAfter: 5000 } });
    const { socket, last, clock } = made;
    const waits: number[] = [];
    for (const openFor of [0, 1, 4999, 5000, 0]) {
      const before = socket.failures;
      await clock.turn(openFor);
      expect(socket.failures).toBe(openFor >= 5000 ? 0 : before);
      last().end();
      waits.push(socket.retryAt - clock.date());
      await comeBack(made);
    }
    expect(waits).toEqual([1000, 2000, 4000, 500, 1000]);
  });

  test("what is open for a moment only is a failure, so that a server that closes at once is not asked without end", async () => {
    const { socket, last, clock } = stage({ reconnect: { firstDelay: 1000, factor: 2 } });
    await settled();
    const waits: number[] = [];
    for (let round = 0; round < 7; round++) {
      last().open();
      await settled();
      last().end(1011);
      waits.push(socket.retryAt - clock.date());
      await clock.turn(waits.at(-1)!);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  });

  test("maxAttempts failures in a row are the end", async () => {
    const made = stage({ reconnect: { maxAttempts: 3 } });
    await settled();
    made.last().end();
    for (let attempt = 0; attempt < 2; attempt++) {
      await made.due();
      made.last().end();
    }
    await settled();
    expect(made.socket.state).toBe("closed");
    expect(made.dialled).toHaveLength(3);
    expect(made.told.slice(-3)).toEqual(["closed", "error", "close 1006 final"]);
  });

  test("a server's hint is heeded, and what it says is in the end that providers see", async () => {
    let last: End | undefined;
    const made = stage({
      url: (attempt) => {
        last = attempt.last;
        return "ws://server/";
      },
    });
    await settled();
    made.last().open();
    await settled();
    made.last().end(1012, "The server is draining; retry-after=20");
    expect(made.socket.retryAt).toBe(epoch + 30_000);
    await made.due();
    expect(last).toMatchObject({ code: 1012, retryAfter: 20, opened: true, wasClean: true });
  });

  test("what a runtime tells of a refusal counts: its status, its Retry-After and its error", async () => {
    const made = stage({ surroundings: { refusalOf: () => ({ status: 503, retryAfter: 7 }) } });
    await settled();
    made.last().end(1006, "", new Error("refused"));
    expect(made.told).toEqual(["waiting", "error refused"]);
    expect(made.socket.retryAt).toBe(epoch + 7000 + 3500);
  });

  test("close.bufferedAmount is what surely never left", async () => {
    const { socket, last } = await openStage();
    const amounts: number[] = [];
    socket.onclose = ({ bufferedAmount }) => void amounts.push(bufferedAmount);
    last().bufferedAmount = 1234;
    expect(socket.bufferedAmount).toBe(1234);
    last().end();
    expect(amounts).toEqual([1234]);
    expect(socket.bufferedAmount).toBe(0);
  });

  test("a socket that tells more after its end, or after it was left, is not heard [react-use-websocket#138]", async () => {
    const made = await openStage();
    const old = made.last();
    made.socket.reconnect();
    await settled();
    made.last().open();
    await settled();
    made.take();
    old.message("old");
    old.end(1008);
    old.open();
    expect(made.take()).toEqual([]);
    expect(made.dialled).toHaveLength(2);
    expect(old.closedWith).toEqual([]);
  });

  test("reconnect() tries at once, and forgets failures and hints", async () => {
    const made = await openStage();
    made.last().end(1013, "retry-after=600");
    expect(made.socket.failures).toBe(1);
    made.socket.reconnect();
    expect([made.socket.state, made.socket.failures]).toEqual(["connecting", 0]);
    await settled();
    made.last().end();
    expect(made.socket.retryAt - made.clock.date()).toBe(1600);
  });

  test("a listener may close, or come back, within any event", async () => {
    for (const act of ["close", "reconnect"] as const) {
      for (const type of ["statechange", "open", "message", "error", "close"] as const) {
        const made = await openStage();
        made.socket.addEventListener(type, () => made.socket[act](), { once: true });
        made.last().message("x");
        made.last().end();
        await made.due();
        made.last().end();
        await made.due();
        made.last().open();
        await settled();
        expect(made.dialled.filter(({ readyState }) => readyState < 2).length).toBeLessThanOrEqual(1);
        made.socket.close();
        made.last().end();
        await settled();
        expect(made.socket.state, `${act} in ${type}`).toBe("closed");
        expect(made.told.filter((word) => word.endsWith("final"))).toHaveLength(1);
        expect(made.told.at(-1)).toMatch(/final$/);
      }
    }
  });
});

describe("shouldReconnect", () => {
  test("is asked with the end and the failures, and takes the place of the table", async () => {
    const asked: unknown[] = [];
    const shouldReconnect = ({ code }: End, failures: number) => {
      asked.push([code, failures]);
      return code !== 4001;
    };
    const made = await openStage({ reconnect: { shouldReconnect } });
    made.last().end(1008);
    expect(made.socket.state).toBe("waiting");
    await comeBack(made);
    made.last().end(4001);
    await settled();
    expect(made.socket.state).toBe("closed");
    expect(asked).toEqual([
      [1008, 1],
      [4001, 2],
    ]);
    expect(made.told.slice(-4)).toEqual(["waiting", "close 4001", "closed", "close 4001 final"]);
  });

  test("a promise is awaited while the wait goes on", async () => {
    const answers: ((answer: boolean) => void)[] = [];
    const shouldReconnect = () => new Promise<boolean>((resolve) => answers.push(resolve));
    const made = await openStage({ reconnect: { shouldReconnect } });
    made.last().end(1006);
    await made.due();
    expect(made.dialled).toHaveLength(1);
    answers[0]!(true);
    await settled();
    expect(made.dialled).toHaveLength(2);
    made.last().open();
    await settled();
    made.last().end(1006);
    answers[1]!(true);
    await made.clock.turn(1);
    expect(made.dialled, "the wait is not cut short").toHaveLength(2);
    await made.due();
    made.last().open();
    await settled();
    made.last().end(1006);
    made.take();
    answers[2]!(false);
    await settled();
    expect(made.take()).toEqual(["closed", "close 1006 final"]);
  });

  test("an answer that comes too late counts no more", async () => {
    const answers: ((answer: boolean) => void)[] = [];
    const shouldReconnect = () => new Promise<boolean>((resolve) => answers.push(resolve));
    const made = await openStage({ reconnect: { shouldReconnect } });
    made.last().end(1006);
    made.socket.reconnect();
    await settled();
    made.last().open();
    await settled();
    answers[0]!(false);
    await settled();
    expect(made.socket.state).toBe("open");
  });

  test("one that throws or rejects is an error event, and the table counts", async () => {
    for (const shouldReconnect of [
      () => {
        throw new Error("broken");
      },
      () => Promise.reject(new Error("broken")),
    ]) {
      const made = await openStage({ reconnect: { shouldReconnect } });
      made.last().end(1006);
      await comeBack(made);
      expect(made.socket.state).toBe("open");
      expect(made.told).toContain("error broken");
      made.take();
      made.last().end(1008);
      await settled();
      expect(made.told.at(-1)).toBe("close 1008 final");
    }
  });

  test("may close or reconnect itself", async () => {
    for (const act of ["close", "reconnect"] as const) {
      const made = await openStage({
        reconnect: {
          shouldReconnect: () => {
            made.socket[act]();
            return true;
          },
        },
      });
      made.last().end();
      await settled();
      expect(made.socket.state).toBe(act === "close" ? "closed" : "connecting");
      const closes = made.told.filter((word) => word.startsWith("close "));
      expect(closes).toEqual(act === "close" ? ["close 1006", "close 1006 final"] : ["close 1006"]);
    }
  });
});

describe("sending while down", () => {
  test("the queue is sent once and in order, after what the open listeners send [socket.io-client#305] [reconnecting-websocket#171]", async () => {
    const made = await openStage();
    made.socket.onopen = () => void made.socket.send("login");
    made.last().end();
    expect([made.socket.send("a"), made.socket.send("b")]).toEqual([true, true]);
    expect(made.socket.bufferedAmount).toBe(2);
    await made.clock.turn(1600);
    made.socket.send("c");
    made.last().open();
    await settled();
    expect(made.last().sent).toEqual(["login", "a", "b", "c"]);
    made.last().end();
    await comeBack(made);
    expect(made.last().sent).toEqual(["login"]);
  });

  test("the queue outlives a failed attempt and a renewed token [partykit#403]", async () => {
    const made = stage({ url: ({ number }) => `ws://server/?token=${number}` });
    made.socket.send("kept");
    await settled();
    made.last().end(4401);
    await made.due();
    made.last().open();
    await settled();
    expect(made.last().url).toBe("ws://server/?token=2");
    expect(made.last().sent).toEqual(["kept"]);
  });

  test("what was given to a connection that is lost is kept nowhere: never twice, perhaps lost", async () => {
    const made = await openStage();
    expect(made.socket.send("given")).toBe(true);
    made.last().end();
    await comeBack(made);
    expect(made.last().sent).toEqual([]);
    expect(made.told.filter((word) => word.startsWith("unsent"))).toEqual([]);
  });

  test("a full queue refuses: send returns false, and no event tells it a second time [react-use-websocket#90]", () => {
    const { socket, told } = stage({ queue: { maxSize: 4 } });
    expect([socket.send("é"), socket.send("ab"), socket.send("c")]).toEqual([true, true, false]);
    expect(told).toEqual([]);
  });

  test("or drops the oldest, and tells which", () => {
    const { socket, told } = stage({ queue: { maxSize: 4, overflow: "drop-oldest" } });
    expect(["a", "b", "cd", "ef", "12345"].map((data) => socket.send(data))).toEqual([true, true, true, true, false]);
    expect(told).toEqual(["unsent a full", "unsent b full"]);
    expect(socket.bufferedAmount).toBe(4);
  });

  test("a message that is too old is told, and not sent", async () => {
    const { socket, told, clock } = stage({ queue: { maxAge: 5000 }, url: () => new Promise(() => {}) });
    socket.send("old");
    await clock.turn(3000);
    socket.send("young");
    await clock.turn(2002);
    expect(told).toEqual(["unsent old expired"]);
    await clock.turn(3000);
    expect(told).toEqual(["unsent old expired", "unsent young expired"]);
    expect(socket.bufferedAmount).toBe(0);
  });

  test("at the end what is left is told before the last event", async () => {
    const { socket, told } = stage();
    socket.send("a");
    socket.send("b");
    socket.close();
    await settled();
    expect(told).toEqual(["closed", "unsent a closed", "unsent b closed", "close 1006 final"]);
  });

  test("after close() nothing is sent", async () => {
    const { socket, last, told } = await openStage();
    socket.close();
    expect(socket.send("late")).toBe(false);
    expect(last().sent).toEqual([]);
    last().end(1000);
    expect(socket.send("later")).toBe(false);
    expect(told.filter((word) => word.startsWith("unsent"))).toEqual([]);
  });

  test("without a queue send returns false while there is no connection", async () => {
    const { socket, last } = stage({ queue: false });
    expect([socket.send("a"), socket.send("")]).toEqual([false, false]);
    await settled();
    last().open();
    await settled();
    expect(socket.send("b")).toBe(true);
    expect(last().sent).toEqual(["b"]);
  });

  test("while open a message is always taken, and false says that more than 1 MiB waits", async () => {
    const { socket, last } = await openStage();
    last().bufferedAmount = 1024 * 1024;
    expect(socket.send("a")).toBe(true);
    last().bufferedAmount++;
    expect(socket.send("b")).toBe(false);
    expect(last().sent).toEqual(["a", "b"]);
  });

  test("what is sent when the socket is closing, with its close event still to come, is queued", async () => {
    const made = await openStage();
    made.last().readyState = 2;
    expect(made.socket.send("a")).toBe(true);
    made.last().end(1001);
    await comeBack(made);
    expect(made.last().sent).toEqual(["a"]);
  });

  test("bytes are copied when they are queued, and what is no data is sent as a string", async () => {
    const { socket, last } = stage();
    const bytes = new Uint8Array([1, 2, 3, 4]);
    const blob = new Blob(["b"]);
    for (const data of [bytes.subarray(1, 3), bytes.buffer, new DataView(bytes.buffer, 3), blob]) socket.send(data);
    socket.send(5 as unknown as string);
    bytes.fill(9);
    expect(socket.bufferedAmount).toBe(2 + 4 + 1 + 1 + 1);
    await settled();
    last().open();
    await settled();
    const [view, buffer, dataView, ...others] = last().sent;
    expect(view).toEqual(new Uint8Array([2, 3]));
    expect(new Uint8Array(buffer as ArrayBuffer)).toEqual(new Uint8Array([1, 2, 3, 4]));
    expect(dataView).toEqual(new Uint8Array([4]));
    const [sentBlob, number] = others;
    expect([await (sentBlob as Blob).text(), number]).toEqual(["b", "5"]);
  });

  test("a listener that closes keeps the queue from being sent, one that reconnects keeps it for the next", async () => {
    for (const act of ["close", "reconnect"] as const) {
      const made = stage();
      made.socket.send("kept");
      made.socket.addEventListener("open", () => made.socket[act](), { once: true });
      await settled();
      made.last().open();
      await settled();
      expect(made.dialled[0]!.sent).toEqual([]);
      if (act === "close") made.last().end(1005);
      else {
        made.last().open();
        await settled();
      }
      expect(made.told.includes("unsent kept closed")).toBe(act === "close");
      expect(made.last().sent).toEqual(act === "close" ? [] : ["kept"]);
    }
  });
});

describe("prepare", () => {
  test("sends and reads before open, before all that is queued, and its result is prepared", async () => {
    const made = stage({
      prepare: async (wire, { number }) => {
        wire.send(`login ${number}`);
        return wire.next();
      },
    });
    made.socket.send("queued");
    await settled();
    made.last().open();
    await settled();
    expect(made.last().sent).toEqual(["login 1"]);
    expect(made.socket.state).toBe("connecting");
    made.last().message("welcome");
    made.last().message("news");
    await settled();
    expect(made.told).toEqual(["open", "open! welcome", "message news"]);
    expect(made.last().sent).toEqual(["login 1", "queued"]);
  });

  test("reads many messages, those that came before it asked and those that come later", async () => {
    const made = stage({
      prepare: async (wire) => `${await wire.next()}${await Promise.all([wire.next(), wire.next()])}`,
    });
    await settled();
    made.last().open();
    await settled();
    made.last().message("a");
    await settled();
    made.last().message("b");
    made.last().message("c");
    await settled();
    expect(made.told).toEqual(["open", "open! ab,c"]);
  });

  test("a rejection fails the attempt, and the socket is left", async () => {
    const made = stage({ prepare: () => Promise.reject(new Error("no")) });
    await settled();
    made.last().open();
    await settled();
    expect(made.told).toEqual(["waiting", "error no"]);
    expect(made.last().closedWith).toEqual([]);
  });

  test("one that hangs meets the time of the attempt, and its next rejects", async () => {
    let rejected: unknown;
    const made = stage({
      prepare: (wire) =>
        wire.next().catch((error: unknown) => {
          rejected = error;
        }),
    });
    await settled();
    made.last().open();
    await settled();
    await made.clock.turn(10_000);
    expect(made.told).toEqual(["waiting", "error Cannot connect: it took longer than 10000 ms"]);
    expect(rejected).toEqual(new Error("Cannot read: the connection has ended"));
  });

  test("a refused login is told by its code: 4401 renews once, 4403 is the end [python-websockets#1480]", async () => {
    for (const [code, state] of [
      [4401, "waiting"],
      [4403, "closed"],
    ] as const) {
      const made = stage({ url: () => "ws://server/", prepare: (wire) => wire.next() });
      await settled();
      made.last().open();
      await settled();
      made.last().end(code);
      await settled();
      expect(made.socket.state).toBe(state);
    }
  });

  test("after it no one reads from the wire any more", async () => {
    let read: (() => Promise<unknown>) | undefined;
    const made = stage({
      prepare: (wire) => {
        read = () => wire.next();
      },
    });
    await settled();
    made.last().open();
    await settled();
    await expect(read!()).rejects.toThrow("Cannot read: the connection has ended");
    made.last().message("x");
    expect(made.told.at(-1)).toBe("message x");
  });
});

describe("resume", () => {
  test("is asked once an attempt, sends first, and sees each message that is delivered", async () => {
    let asked = 0;
    const seen: unknown[] = [];
    const made = stage({
      url: ({ resume }) => `ws://server/?from=${resume}`,
      resume: {
        attempt: () => `p${++asked}`,
        offer: (subprotocols) => ["resuming", ...subprotocols],
        first: (socket) => void seen.push(["first", socket.send("resume")]),
        receive: (data) => {
          seen.push(data);
          return data === "skip" ? undefined : `<${data}>`;
        },
      },
      prepare: async (wire) => wire.next(),
    });
    await settled();
    made.last().open();
    await settled();
    for (const data of ["skip", "a", "b", "skip"]) made.last().message(data);
    await settled();
    made.last().message("c");
    expect(made.last().url).toBe("ws://server/?from=p1");
    expect([made.last().protocols, made.last().sent]).toEqual([["resuming"], ["resume"]]);
    expect(seen).toEqual([["first", undefined], "skip", "a", "b", "skip", "c"]);
    expect(made.told).toEqual(["open", "open! <a>", "message <b>", "message <c>"]);
    made.last().end();
    await made.due();
    expect([asked, made.last().url]).toEqual([2, "ws://server/?from=p2"]);
  });

  test("does not see what is not delivered, so that it is asked for again", async () => {
    const seen: unknown[] = [];
    const made = stage({
      resume: { attempt: () => seen.length, offer: () => [], first: () => {}, receive: (data) => void seen.push(data) },
      prepare: () => Promise.reject(new Error("no")),
    });
    await settled();
    made.last().open();
    await settled();
    made.last().message("a");
    await settled();
    expect(seen).toEqual([]);
  });

  test("an exception of attempt, of offer or of first fails the attempt", async () => {
    const failing = (): never => {
      throw new Error("broken");
    };
    const receive = (data: unknown) => data;
    for (const resume of [
      { attempt: failing, offer: () => [], first: () => {}, receive },
      { attempt: () => 0, offer: failing, first: () => {}, receive },
      { attempt: () => 0, offer: () => [], first: failing, receive },
    ]) {
      const made = stage({ resume });
      await settled();
      made.dialled.at(-1)?.open();
      await settled();
      expect(made.told).toEqual(["waiting", "error broken"]);
    }
  });
});

describe("heartbeat", () => {
  const heartbeat = { message: "ping", reply: "pong" };

  test("asks after 25 s of silence, and after 10 s more the connection is left [centrifuge-js#203]", async () => {
    const made = await openStage({ heartbeat });
    await made.clock.turn(24_999);
    expect(made.last().sent).toEqual([]);
    await made.clock.turn(1);
    expect(made.last().sent).toEqual(["ping"]);
    await made.clock.turn(9999);
    expect(made.socket.state).toBe("open");
    await made.clock.turn(1);
    expect(made.take()).toEqual(["waiting", "close 1006"]);
    expect(made.last().closedWith, "without waiting for its closing handshake").toEqual([]);
    await comeBack(made);
    expect(made.socket.state).toBe("open");
  });

  test("every message counts, and the reply is not delivered [realtime-js#133] [phoenix#3083]", async () => {
    const made = await openStage({ heartbeat });
    for (const data of ["pong", "news", "pong"]) {
      await made.clock.turn(34_999);
      made.last().message(data);
    }
    expect(made.take()).toEqual(["message news"]);
    expect(made.last().sent).toEqual(["ping", "ping", "ping"]);
  });

  test("without a message only silence counts", async () => {
    const made = await openStage({ heartbeat: { interval: 1000, timeout: 500 } });
    await made.clock.turn(1499);
    made.last().message("x");
    await made.clock.turn(1499);
    expect(made.socket.state).toBe("open");
    await made.clock.turn(1);
    expect(made.socket.state).toBe("waiting");
    expect(made.dialled[0]!.sent).toEqual([]);
  });

  test("each connection starts afresh, and a left one is not asked", async () => {
    const made = await openStage({ heartbeat });
    await made.clock.turn(20_000);
    made.last().end();
    await comeBack(made);
    await made.clock.turn(24_999);
    expect(made.dialled.map(({ sent }) => sent)).toEqual([[], []]);
    made.socket.close();
    await made.clock.turn(60_000);
    expect(made.dialled.map(({ sent }) => sent)).toEqual([[], []]);
  });

  test("a late one asks again instead of judging [realtime-js#121] [graphql-ws#289]", async () => {
    const made = await openStage({ heartbeat });
    await made.clock.turn(25_000);
    made.clock.sleep(3_600_000);
    await made.clock.turn(10_000);
    expect(made.socket.state).toBe("open");
    expect(made.last().sent).toEqual(["ping", "ping"]);
    await made.clock.turn(10_000);
    expect(made.socket.state).toBe("waiting");
  });

  test("a date that went back judges nothing and re-arms nothing", async () => {
    const made = await openStage({ heartbeat });
    made.clock.sleep(-3_600_000);
    await made.clock.turn(35_000);
    expect(made.socket.state).toBe("waiting");
  });

  test("a wake asks at once", async () => {
    const made = await openStage({ heartbeat });
    made.wake();
    expect(made.last().sent).toEqual(["ping"]);
    made.last().message("pong");
    await made.clock.turn(10_000);
    expect(made.socket.state).toBe("open");
    made.wake(true);
    await made.clock.turn(10_000);
    expect(made.socket.state).toBe("waiting");
  });
});

describe("wakes", () => {
  test("one ends the wait at once, one that comes to all in an office within a second", async () => {
    const made = await openStage();
    await made.clock.turn(60_000);
    for (const [online, after] of [
      [false, 0],
      [true, 500],
    ] as const) {
      for (let failure = 0; failure < 6; failure++) {
        made.last().end();
        await made.due();
      }
      made.last().end();
      await made.clock.turn(1000);
      const before = made.dialled.length;
      made.wake(online);
      if (after > 0) {
        await made.clock.turn(after - 1);
        expect(made.dialled).toHaveLength(before);
      }
      await made.clock.turn(1);
      expect(made.dialled).toHaveLength(before + 1);
    }
  });

  test("never below a server's hint", async () => {
    const made = await openStage();
    made.last().end(1012, "retry-after=20");
    await made.clock.turn(1000);
    made.wake();
    await made.clock.turn(18_999);
    expect(made.socket.state).toBe("waiting");
    expect(made.socket.retryAt).toBe(epoch + 20_000);
    await made.clock.turn(1);
    expect(made.socket.state).toBe("connecting");
  });

  test("never twice a second", async () => {
    const made = await openStage();
    for (let round = 0; round < 5; round++) {
      made.last().end();
      for (let wake = 0; wake < 20; wake++) {
        made.wake();
        await made.clock.turn(50);
      }
    }
    expect(made.dialled).toHaveLength(6);
  });

  test("a later one does not put off what is due sooner", async () => {
    const made = await openStage();
    await made.clock.turn(10_000);
    made.clock.chance = 0.1;
    made.last().end();
    made.clock.chance = 0.9;
    made.wake(true);
    await made.clock.turn(200);
    expect(made.dialled).toHaveLength(2);
  });

  test("a loss within 2 s of one is this machine's own, and comes back within a second [phoenix_live_view#3723]", async () => {
    const made = await openStage();
    await made.clock.turn(10_000);
    for (let failure = 0; failure < 6; failure++) {
      made.last().end();
      await made.due();
    }
    made.last().open();
    await settled();
    made.wake();
    await made.clock.turn(1999);
    made.clock.chance = 0.999;
    made.last().end();
    expect(made.socket.retryAt - made.clock.date()).toBe(999);
  });

  test("a wait that was slept through counts as one", async () => {
    const made = await openStage();
    made.last().end();
    made.clock.sleep(600_000);
    await made.clock.turn(1600);
    made.last().open();
    await settled();
    made.last().end();
    expect(made.socket.retryAt - made.clock.date()).toBe(500);
  });

  test("they are watched from the first attempt to the end", async () => {
    const made = stage();
    expect(made.watching()).toBe(0);
    await settled();
    expect(made.watching()).toBe(1);
    made.last().end();
    await comeBack(made);
    expect(made.watching()).toBe(1);
    made.socket.close();
    made.last().end();
    expect(made.watching()).toBe(0);
  });
});

describe("the option signal", () => {
  test("one that has aborted closes before there is a handshake", async () => {
    const { told, dialled } = stage({ signal: AbortSignal.abort() });
    await settled();
    expect(dialled).toHaveLength(0);
    expect(told).toEqual(["close 1006 final"]);
  });

  test("keeps nothing of what is closed", async () => {
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, "removeEventListener");
    const { socket } = stage({ signal });
    socket.close();
    await settled();
    expect(remove).toHaveBeenCalledOnce();
  });
});
