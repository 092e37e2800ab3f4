import { describe, expect, it } from "vitest";
import { PreparedMessage } from "../../src/connection/prepared-message.ts";
import type { Position, Subscriber, Topic } from "../../src/topics/topic.ts";
import { Topics } from "../../src/topics/topics.ts";
import { readFrames } from "../support/wire.ts";

/** A subscriber that notes what it is sent, and in how many writes. */
class Listener implements Subscriber {
  readonly topics = new Set<Topic>();
  readonly position: Position = { round: 0, entry: 0 };
  readonly compression = undefined;
  readonly writes: Uint8Array[] = [];
  onFrames: (() => void) | undefined;

  takes = true;

  takesFrames(): boolean {
    return this.takes;
  }

  sendFrames(frames: Uint8Array): void {
    this.writes.push(frames);
    this.onFrames?.();
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
    expect(topics.publish("red", "to red")).toEqual({ reached: 1, dropped: 0 });
    expect(topics.publish("green", "to nobody")).toEqual({ reached: 0, dropped: 0 });
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
    expect(topics.publish("room", "mine", publisher)).toEqual({ reached: 1, dropped: 0 });
    expect(topics.publish("room", "theirs", other)).toEqual({ reached: 1, dropped: 0 });
    expect(topics.publish("room", "from outside", new Listener())).toEqual({ reached: 2, dropped: 0 });
    await turn();
    expect(publisher!.heard).toEqual(["theirs", "from outside"]);
    expect(other!.heard).toEqual(["mine", "from outside"]);
  });

  it("counts who takes nothing as dropped, the publisher not at all", () => {
    const topics = new Topics();
    const [first, second, third] = listeners(topics, 3, "t");
    second!.takes = false;
    expect(topics.publish("t", "1")).toEqual({ reached: 2, dropped: 1 });
    expect(topics.publish("t", "2", first)).toEqual({ reached: 1, dropped: 1 });
    expect(topics.publish("t", "3", second)).toEqual({ reached: 2, dropped: 1 });
    topics.leave(third!);
    expect(topics.publish("t", "4")).toEqual({ reached: 1, dropped: 1 });
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

  it("D15: changes while a publish is being delivered", async () => {
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

  it("D14: is limited in number and in the length of its name", () => {
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
