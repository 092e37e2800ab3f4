/** What `resumeTopics` makes of servers that break the protocol, and of applications that give it to two connections. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { reconnecting } from "../../src/client/reconnecting/reconnecting.ts";
import { ReconnectingWebSocket } from "../../src/client/reconnecting/reconnecting-websocket.ts";
import type { Resume, ResumedSocket } from "../../src/reconnecting/resume.ts";
import { parseRequest } from "../../src/resume/resume-messages.ts";
import { resumeTopics } from "../../src/resume/resume-topics.ts";

/** A connection that has opened with the object. */
function opened(resume: Resume<never>) {
  const sent: string[] = [];
  const socket: ResumedSocket = { protocol: "openline.resume.v1", send: (data) => sent.push(data as string) };
  resume.first(socket);
  const receive = (text: string) => (resume as Resume<unknown>).receive(text, socket);
  return {
    receive,
    claims: () => parseRequest(sent[0]!)!.claims.map(({ topic, position }) => [topic, position.offset]),
  };
}

const subscribed = (n: number, topic: string, position: string) =>
  `\0${JSON.stringify({ subscribed: { n, topic, position, grant: "g" } })}`;

describe("one object for two connections at once", () => {
  test("the first one gets nothing more, and the topics of the second one are not moved by it", () => {
    const resume = resumeTopics();
    const first = opened(resume);
    first.receive(subscribed(1, "a", "e:5"));
    const second = opened(resume);
    second.receive(subscribed(1, "b", "e:5"));
    expect(() => first.receive("\x001 6")).toThrow(/another connection has begun/);
    expect(() => first.receive("of a")).toThrow(/another connection has begun/);
    expect(second.receive("of none")).toBe("of none");
    expect(opened(resume).claims()).toEqual([
      ["b", 5],
      ["a", 5],
    ]);
  });
});

describe("between a mark and its messages nothing comes", () => {
  test.each([
    ["a session", '\0{"session":"s"}'],
    ["another topic", subscribed(2, "b", "e:1")],
    ["the same topic", subscribed(1, "a", "e:9")],
    ["a mark", "\x001 9"],
    ["a gap", '\0{"gap":{"n":1,"reason":"trimmed","position":"e:9","grant":"g"}}'],
  ])("%s there is an error, and the place is the one of what was handed over", (_, text) => {
    const resume = resumeTopics();
    const { receive } = opened(resume);
    receive(subscribed(1, "a", "e:5"));
    receive("\x001 6 1");
    expect(receive("first")).toBe("first");
    expect(() => receive(text)).toThrow(/breaks the protocol/);
    expect(opened(resume).claims()).toEqual([["a", 6]]);
  });
});

describe("values that cannot be are told at once", () => {
  const odd = [{}, new Map(), { offer: () => [] }] as unknown as Resume<never>[];

  test.each(odd)("as the option resume", async (resume) => {
    const sentence = /the option "resume" has no method .*resumeTopics\(\) makes one/;
    await expect(connect("ws://localhost:1", { resume })).rejects.toThrow(sentence);
    expect(() => reconnecting("ws://localhost:1", { resume })).toThrow(sentence);
    expect(() => new ReconnectingWebSocket("ws://localhost:1", [], { resume })).toThrow(sentence);
  });
});
