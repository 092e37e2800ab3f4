import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { FramesOutcome } from "../../src/connection/sending/message-sender.ts";
import { PreparedMessage } from "../../src/connection/sending/prepared-message.ts";
import type { Subscriber, Topic } from "../../src/topics/topic.ts";
import { Topics } from "../../src/topics/topics.ts";
import { collectGarbage } from "../support/collect-garbage.ts";
import { readFrames } from "../support/wire.ts";

/** A subscriber that notes what it is sent, and in how many writes. */
class Listener implements Subscriber {
  readonly topics = new Set<Topic>();
  batch = 0;
  entry = 0;
  readonly compression = undefined;
  readonly writes: Uint8Array[] = [];
  onFrames: (() => void) | undefined;

  takes = true;

  takesFrames(): boolean {
    return this.takes;
  }

  lagging = false;

  lag(): number {
    return this.lagging ? 1_000_000 : 0;
  }

  readonly failures: unknown[] = [];

  deliveryFailed(error: unknown): void {
    this.failures.push(error);
  }

  sendFrames(frames: Uint8Array): FramesOutcome {
    if (!this.takes) return "refused";
    this.writes.push(frames);
    this.onFrames?.();
    return this.lagging ? "waits" : "left";
  }

  get heard(): string[] {
    return this.writes.flatMap((frames) => readFrames(frames).map(({ payload }) => payload.toString()));
  }
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function listeners(topics: Topics, count: number, ...names: string[]): Listener[] {
  return Array.from({ length: count }, () => {
    const listener = new Listener();
    for (const name of names) topics.subscribe(listener, name);
    return listener;
  });
}

describe("publishing", () => {
  it("reaches every subscriber of the topic and nobody else", async () => {
    const topics = new Topics();
    const [red] = listeners(topics, 1, "red");
    const [blue] = listeners(topics, 1, "blue");
    expect(topics.publish("red", "to red")).toMatchObject({ reached: 1, dropped: 0 });
    expect(topics.publish("green", "to nobody")).toMatchObject({ reached: 0, dropped: 0 });
    await turn();
    expect(red!.heard).toEqual(["to red"]);
    expect(blue!.heard).toEqual([]);
  });

  it("is one write a subscriber and turn, of bytes that all share", async () => {
    const topics = new Topics();
    const all = listeners(topics, 3, "news");
    for (let i = 0; i < 100; i++) topics.publish("news", `message ${i}`);
    await turn();
    for (const listener of all) {
      expect(listener.writes).toHaveLength(1);
      expect(listener.writes[0]).toBe(all[0]!.writes[0]);
      expect(listener.heard).toEqual(Array.from({ length: 100 }, (_, i) => `message ${i}`));
    }
  });

  it("keeps the order of the calls across topics", async () => {
    const topics = new Topics();
    const [both] = listeners(topics, 1, "a", "b");
    const [onlyA] = listeners(topics, 1, "a", "c");
    for (const [topic, text] of [
      ["a", "1"],
      ["b", "2"],
      ["a", "3"],
      ["c", "4"],
      ["b", "5"],
    ] as const) {
      topics.publish(topic, text);
    }
    await turn();
    expect(both!.heard).toEqual(["1", "2", "3", "5"]);
    expect(onlyA!.heard).toEqual(["1", "3", "4"]);
  });

  it("leaves out the publisher, subscribed or not", async () => {
    const topics = new Topics();
    const [publisher, other] = listeners(topics, 2, "room");
    expect(topics.publish("room", "mine", publisher)).toMatchObject({ reached: 1, dropped: 0 });
    expect(topics.publish("room", "theirs", other)).toMatchObject({ reached: 1, dropped: 0 });
    expect(topics.publish("room", "from outside", new Listener())).toMatchObject({ reached: 2, dropped: 0 });
    await turn();
    expect(publisher!.heard).toEqual(["theirs", "from outside"]);
    expect(other!.heard).toEqual(["mine", "from outside"]);
  });

  it("counts who takes nothing as dropped, the publisher not at all", () => {
    const topics = new Topics();
    const [first, second, third] = listeners(topics, 3, "t");
    second!.takes = false;
    expect(topics.publish("t", "1")).toMatchObject({ reached: 2, dropped: 1 });
    expect(topics.publish("t", "2", first)).toMatchObject({ reached: 1, dropped: 1 });
    expect(topics.publish("t", "3", second)).toMatchObject({ reached: 2, dropped: 1 });
    topics.leave(third!);
    expect(topics.publish("t", "4")).toMatchObject({ reached: 1, dropped: 1 });
  });

  it("counts the same before it is delivered, while it is and afterwards, each time anew only once", async () => {
    const topics = new Topics();
    const [publisher, refusing] = listeners(topics, 4, "t");
    refusing!.takes = false;
    const [before, after] = [topics.publish("t", "1", publisher), topics.publish("t", "2")];
    expect(before).toMatchObject({ reached: 2, dropped: 1 });
    let inside: unknown;
    publisher!.onFrames = () => {
      inside ??= topics.publish("t", "3", refusing).reached;
    };
    await after.delivered;
    topics.leave(refusing!);
    expect(before).toMatchObject({ reached: 2, dropped: 1 });
    expect(after).toMatchObject({ reached: 3, dropped: 1 });
    expect(inside).toBe(3);
    await turn();
    expect(topics.dropped).toBe(2);
  });

  it("shows the counts in JSON and to console.log, and no promise", async () => {
    const topics = new Topics();
    const [, refusing] = listeners(topics, 3, "t");
    refusing!.takes = false;
    const [published, unheard] = [topics.publish("t", "1"), topics.publish("nobody", "2")];
    expect(JSON.stringify({ published, unheard })).toBe(
      '{"published":{"reached":2,"dropped":1},"unheard":{"reached":0,"dropped":0}}',
    );
    expect(inspect([published, unheard])).toBe("[ { reached: 2, dropped: 1 }, { reached: 0, dropped: 0 } ]");
    await published.delivered;
    expect(inspect(published)).toBe("{ reached: 2, dropped: 1 }");
  });

  it("lets go of a message that was delivered, though what publish returned is kept", async () => {
    const topics = new Topics();
    const [publisher] = listeners(topics, 2, "t");
    const publish = () => {
      const message = new PreparedMessage("x");
      return { message: new WeakRef(message), published: topics.publish("t", message, publisher) };
    };
    const { message, published } = publish();
    await published.delivered;
    const isThere = () => {
      collectGarbage();
      return message.deref() !== undefined;
    };
    await expect.poll(isThere, { timeout: 30_000 }).toBe(false);
    expect(published).toMatchObject({ reached: 1, dropped: 0 });
  });

  it("looks at no subscriber but to deliver to it, unless somebody asks", async () => {
    const topics = new Topics();
    const all = listeners(topics, 100, "t");
    let looks = 0;
    for (const listener of all) listener.takesFrames = () => ++looks > 0;
    const published = topics.publish("t", "x", all[0]);
    expect(topics.pace("t", published)).toBeUndefined();
    await published.delivered;
    expect(all.filter(({ writes }) => writes.length === 1)).toHaveLength(99);
    const paced = looks;
    expect(published).toMatchObject({ reached: 99, dropped: 0 });
    // The publisher's promise looked at all of them once, behind the delivery.
    expect([paced, looks]).toEqual([100, 100]);
  });

  it("takes bytes, views of them and prepared messages, and refuses anything else", async () => {
    const topics = new Topics();
    const [listener] = listeners(topics, 1, "t");
    const bytes = Uint8Array.of(1, 2, 3, 4);
    topics.publish("t", bytes);
    topics.publish("t", bytes.buffer);
    topics.publish("t", new DataView(bytes.buffer, 1, 2));
    topics.publish("t", new PreparedMessage("prepared"));
    bytes.fill(9);
    await turn();
    const frames = readFrames(listener!.writes[0]!);
    expect(frames.map(({ opcode }) => opcode)).toEqual([2, 2, 2, 1]);
    expect(frames.slice(0, 3).map(({ payload }) => [...payload])).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [2, 3],
    ]);
    for (const wrong of [undefined, null, 1, {}, [], Symbol("s")]) {
      expect(() => topics.publish("t", wrong as never)).toThrow(TypeError);
    }
  });

  it("goes on in later turns when the subscribers are very many, each still in order", async () => {
    const topics = new Topics();
    const all = listeners(topics, 3000, "crowd");
    let spent = 0;
    // Each write takes long enough that one turn cannot hold them all.
    for (const listener of all) {
      listener.onFrames = () => {
        const until = performance.now() + 0.01;
        while (performance.now() < until) spent++;
      };
    }
    topics.publish("crowd", "first");
    await turn();
    const early = all.filter(({ writes }) => writes.length > 0).length;
    topics.publish("crowd", "second");
    while (all.some(({ heard }) => heard.length < 2)) await turn();
    expect(early).toBeGreaterThan(0);
    expect(early).toBeLessThan(3000);
    expect(spent).toBeGreaterThan(0);
    expect(all.every(({ heard }) => heard.join() === "first,second")).toBe(true);
  });
});

describe("a subscription", () => {
  it("counts from its call on, and until the call that ends it", async () => {
    const topics = new Topics();
    const listener = new Listener();
    listeners(topics, 1, "t");
    topics.publish("t", "before");
    topics.subscribe(listener, "t");
    topics.publish("t", "during");
    expect(topics.unsubscribe(listener, "t")).toBe(true);
    topics.publish("t", "after");
    await turn();
    expect(listener.heard).toEqual(["during"]);
    expect(topics.unsubscribe(listener, "t")).toBe(false);
  });

  it("may begin and end in the same turn again and again", async () => {
    const topics = new Topics();
    const listener = new Listener();
    listeners(topics, 1, "t", "u");
    for (let i = 0; i < 4; i++) {
      topics.subscribe(listener, i % 2 ? "t" : "u");
      topics.publish("t", `t${i}`);
      topics.publish("u", `u${i}`);
      topics.unsubscribe(listener, i % 2 ? "t" : "u");
    }
    await turn();
    expect(listener.heard).toEqual(["u0", "t1", "u2", "t3"]);
  });

  it("changes while a publish is being delivered [D15]", async () => {
    const topics = new Topics();
    const [first, second, third] = listeners(topics, 3, "t");
    const late = new Listener();
    first!.onFrames = () => {
      topics.unsubscribe(second!, "t");
      topics.leave(third!);
      topics.subscribe(late, "t");
      first!.onFrames = undefined;
      topics.publish("t", "two");
    };
    topics.publish("t", "one");
    await turn();
    await turn();
    expect(first!.heard).toEqual(["one", "two"]);
    // It was subscribed when "one" was published; the third was over before its turn came.
    expect(second!.heard).toEqual(["one"]);
    expect(third!.heard).toEqual([]);
    expect(late.heard).toEqual(["two"]);
  });

  it("puts what is sent directly behind what was published before", async () => {
    const topics = new Topics();
    const [listener] = listeners(topics, 1, "t");
    topics.publish("t", "published");
    topics.catchUp(listener!);
    listener!.sendFrames(new PreparedMessage("sent").frame);
    topics.publish("t", "published later");
    await turn();
    expect(listener!.heard).toEqual(["published", "sent", "published later"]);
  });

  it("is limited in number and in the length of its name [D14]", () => {
    const topics = new Topics({ maxTopics: 2, maxTopicLength: 4 });
    const [listener] = listeners(topics, 1, "a", "b");
    topics.subscribe(listener!, "a");
    expect(() => topics.subscribe(listener!, "c")).toThrow(RangeError);
    topics.unsubscribe(listener!, "a");
    topics.subscribe(listener!, "üü");
    expect(() => topics.subscribe(new Listener(), "üü1")).toThrow(RangeError);
    expect(() => topics.subscribe(new Listener(), undefined as never)).toThrow(
      new TypeError("Cannot subscribe: a topic is a string, not undefined"),
    );
    expect([...listener!.topics].map(({ name }) => name)).toEqual(["b", "üü"]);
  });

  it("leaves nothing behind when its connection is over", () => {
    const topics = new Topics();
    const [one, other] = listeners(topics, 2, "a", "b");
    topics.leave(one!);
    expect(topics.count("a")).toBe(1);
    topics.leave(other!);
    expect(topics.count("a")).toBe(0);
    expect([...topics.names()]).toEqual([]);
    expect(one!.topics.size).toBe(0);
  });
});

describe("a delivery that runs other code", () => {
  it("delivers what is published from inside it once to each, in order, and what is published later [D15]", async () => {
    const topics = new Topics();
    const all = listeners(topics, 3, "t");
    all[0]!.onFrames = () => {
      all[0]!.onFrames = undefined;
      topics.publish("t", "inside");
      // A send of one that comes later catches up with both.
      topics.catchUp(all[2]!);
    };
    topics.publish("t", "first");
    await turn();
    topics.publish("t", "later");
    await turn();
    for (const { heard } of all) expect(heard).toEqual(["first", "inside", "later"]);
    expect(topics.backlog).toBe(0);
  });

  it("control: where a delivered batch goes on taking messages, some are lost [D15]", () => {
    const heard: string[][] = [[], []];
    const batch = ["first"];
    for (const [index, own] of heard.entries()) {
      own.push(...batch);
      if (index === 0) batch.push("inside");
    }
    expect(heard).toEqual([["first"], ["first", "inside"]]);
  });

  it("an exception fails its own subscriber, in a later turn, and no other misses anything [D15]", async () => {
    const topics = new Topics();
    const all = listeners(topics, 300, "t");
    const broken = new Error("broken");
    let inside = false;
    all[1]!.onFrames = () => {
      inside = true;
      setImmediate(() => {
        inside = false;
      });
      throw broken;
    };
    all[1]!.deliveryFailed = (error) => {
      all[1]!.failures.push(error, inside);
      topics.leave(all[1]!);
    };
    topics.publish("t", "one");
    await turn();
    topics.publish("t", "two");
    await turn();
    expect(all[1]!.failures).toEqual([broken, false]);
    for (const listener of [...all.slice(0, 1), ...all.slice(2)]) expect(listener.heard).toEqual(["one", "two"]);
  });

  it("runs in nobody's async context", async () => {
    const topics = new Topics();
    const [listener] = listeners(topics, 1, "t");
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    listener!.onFrames = () => seen.push(storage.getStore());
    storage.run("of the publisher", () => topics.publish("t", "x"));
    await turn();
    expect(seen).toEqual([undefined]);
  });
});

describe("what is published faster than it can be delivered", () => {
  it("says when it was delivered, and is counted until then [D24]", async () => {
    const topics = new Topics();
    const [listener] = listeners(topics, 1, "t");
    const { delivered } = topics.publish("t", "x".repeat(1000));
    expect(topics.backlog).toBeGreaterThan(1000);
    expect(listener!.writes).toEqual([]);
    await delivered;
    expect([listener!.heard.length, topics.backlog]).toEqual([1, 0]);
    await topics.publish("t", "to a topic that is over").delivered;
    await topics.publish("nobody", "x").delivered;
  });

  it("is dropped beyond the limit and says so; one message alone may be longer [D24]", async () => {
    const topics = new Topics({ maxPublishBacklogSize: 10_000 });
    const [publisher, other] = listeners(topics, 2, "t");
    expect(topics.publish("t", "x".repeat(20_000))).toMatchObject({ reached: 2, dropped: 0 });
    expect(topics.publish("t", "y")).toMatchObject({ reached: 0, dropped: 2 });
    const refused = topics.publish("t", "y", publisher);
    expect(refused).toMatchObject({ reached: 0, dropped: 1 });
    expect(topics.dropped).toBe(3);
    await refused.delivered;
    expect(topics.publish("t", "z")).toMatchObject({ reached: 2, dropped: 0 });
    await turn();
    expect(other!.heard.map((text) => text[0])).toEqual(["x", "z"]);
  });

  it("control: without a limit all of it is held [D24]", () => {
    const topics = new Topics({ maxPublishBacklogSize: Number.MAX_SAFE_INTEGER });
    listeners(topics, 1, "t");
    const message = new PreparedMessage("x".repeat(1024 * 1024));
    for (let i = 0; i < 200; i++) topics.publish("t", message);
    expect(topics.backlog).toBeGreaterThan(200 * 1024 * 1024);
  });

  it("sets a pace while delivery takes more than a turn, or more than half of the subscribers lag [D24]", async () => {
    const topics = new Topics();
    const all = listeners(topics, 3, "t");
    topics.publish("t", "x");
    expect(topics.pace("t")).toBeUndefined();
    expect(topics.pace("nobody")).toBeUndefined();
    await turn();
    all[0]!.lagging = true;
    topics.publish("t", "x");
    expect(topics.pace("t")).toBeUndefined();
    await turn();
    all[1]!.lagging = true;
    topics.publish("t", "x");
    // How many lag is seen when they are delivered to.
    await turn();
    topics.publish("t", "x");
    let paced = false;
    const pace = topics.pace("t")!.then(() => {
      paced = true;
    });
    await turn();
    expect(paced).toBe(false);
    all[1]!.lagging = false;
    await pace;
    topics.publish("t", "x");
    expect(topics.pace("t")).toBeUndefined();
    all[1]!.lagging = true;
    await turn();
    topics.publish("t", "for at most a second");
    await topics.pace("t")!;
  });

  it("sets a pace from inside a delivery that goes on [D24]", async () => {
    const topics = new Topics();
    const all = listeners(topics, 2, "t");
    const paces: unknown[] = [];
    all[0]!.onFrames = () => {
      all[0]!.onFrames = undefined;
      topics.publish("t", "inside");
      paces.push(topics.pace("t"));
    };
    topics.publish("t", "x");
    await turn();
    expect(paces).toEqual([expect.any(Promise)]);
    await paces[0];
    expect(all[1]!.heard).toEqual(["x", "inside"]);
  });

  it("a batch is delivered in pieces of about a mebibyte, however much a turn publishes", async () => {
    const topics = new Topics();
    const [listener] = listeners(topics, 1, "t");
    const message = new PreparedMessage(new Uint8Array(300_000));
    for (let i = 0; i < 40; i++) topics.publish("t", message);
    await topics.publish("t", "last").delivered;
    expect(listener!.heard).toHaveLength(41);
    for (const { length } of listener!.writes) expect(length).toBeLessThan(1024 * 1024 + 300_100);
  });

  it("costs each subscriber its own messages, not those of all topics of the turn", async () => {
    const looks = async (count: number): Promise<number> => {
      const topics = new Topics();
      let looked = 0;
      for (let i = 0; i < count; i++) listeners(topics, 1, `topic ${i}`);
      const message = new PreparedMessage("x");
      const { frameFor } = PreparedMessage.prototype;
      const has = Set.prototype.has;
      for (let i = 0; i < count; i++) topics.publish(`topic ${i}`, message);
      Set.prototype.has = function (value) {
        looked++;
        return has.call(this, value);
      };
      message.frameFor = function (compression) {
        looked++;
        return frameFor.call(this, compression);
      };
      try {
        while (topics.backlog > 0) await turn();
      } finally {
        Set.prototype.has = has;
      }
      return looked;
    };
    const [few, many] = [await looks(100), await looks(1000)];
    expect(few).toBeGreaterThanOrEqual(100);
    expect(many).toBeLessThan(11 * few);
  });

  it("costs one who sends between its publishes no more than its own messages", async () => {
    const topics = new Topics();
    const [listener] = listeners(topics, 1, "t");
    let framed = 0;
    for (let i = 0; i < 500; i++) {
      const message = new PreparedMessage(`${i}`);
      const { frameFor } = message;
      message.frameFor = (compression) => {
        framed++;
        return frameFor.call(message, compression);
      };
      topics.publish("t", message);
      topics.catchUp(listener!);
    }
    await turn();
    expect(framed).toBe(500);
    expect(listener!.heard).toEqual(Array.from({ length: 500 }, (_, i) => `${i}`));
  });
});
