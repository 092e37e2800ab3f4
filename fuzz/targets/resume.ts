/**
 * Invariant: what the resume protocol reads, of a client or of a server, is written as a text that is read as the same again;
 * a server takes a text for the same however it is cut into parts; a client throws for nothing but what breaks the protocol;
 * no text of an application is taken for one of the protocol.
 */
import { isDeepStrictEqual } from "node:util";
import type { MessageEvent, PartEvent } from "../../src/protocol/endpoint/endpoint-events.ts";
import type { ResumedSocket } from "../../src/reconnecting/resume.ts";
import { messageText, parseMessage, parseRequest, requestText } from "../../src/resume/resume-messages.ts";
import { escapeText, isEscaped, isMarked } from "../../src/resume/resume-subprotocol.ts";
import { resumeTopics } from "../../src/resume/resume-topics.ts";
import { ResumeLayer } from "../../src/server/resume-layer.ts";
import { check, type Outcome, type Target } from "../target.ts";

/** Texts of a client's first message and of a server's messages, one after another where 00 0a parts them. */
export const resumeTarget: Target = {
  name: "resume",
  maxLength: 2000,
  dictionary: [
    "00",
    "0a 00",
    '"{\\"resume\\":{\\"topics\\":[]}}"',
    '"{\\"resume\\":{\\"session\\":\\"a\\",\\"topics\\":[[\\"t\\",\\"e:1\\",\\"g\\"]]}}"',
    '"{\\"subscribed\\":{\\"n\\":17,\\"topic\\":\\"t\\",\\"position\\":\\"e:1\\",\\"grant\\":\\"g\\"}}"',
    '"{\\"gap\\":{\\"n\\":17,\\"reason\\":\\"fork\\",\\"position\\":\\"e:9\\",\\"grant\\":\\"g\\"}}"',
    '"{\\"resumed\\":{\\"n\\":17,\\"recovered\\":true,\\"replayed\\":3}}"',
    '"{\\"unsubscribed\\":{\\"n\\":17}}"',
    '"{\\"session\\":\\"s\\"}"',
    '"17 1000 5 -3"',
    '" 9007199254740991"',
    '" -1"',
    '"[["',
    '"\\"__proto__\\":"',
  ],
  run,
};

function run(input: Uint8Array): Outcome {
  const text = new TextDecoder().decode(input);
  const request = parseRequest(text);
  if (request) check(isDeepStrictEqual(parseRequest(requestText(request)), request), "A request is read as another");
  const message = parseMessage(text);
  if (message) check(isDeepStrictEqual(parseMessage(messageText(message)), message), "A message is read as another");
  const sent = escapeText(text);
  check(!isMarked(sent) || (isEscaped(sent) && sent.slice(1) === text), "A text of the application is the protocol's");
  const whole = layered([text]);
  for (const at of [0, 1, 2, 3, text.length >> 1]) {
    const parts = [text.slice(0, at), text.slice(at), ""];
    check(isDeepStrictEqual(layered(parts), whole), "In parts it is another message");
    check(isDeepStrictEqual(layered(["", ...parts]), whole), "Behind an empty part it is another message");
  }
  return `${request?.claims.length} ${message?.type} ${isMarked(sent)} ${play(text)}`;
}

/** What a server makes of a text in these parts, as a client's first message and as a later one. */
function layered(parts: readonly string[]): unknown {
  return [false, true].map((hasBegun) => {
    const told: unknown[] = [];
    const layer = new ResumeLayer({
      began: (request) => void told.push(request),
      failed: () => void told.push("failed"),
    });
    if (hasBegun) layer.arrived({ type: "message", text: true, data: '\0{"resume":{"topics":[]}}' } as MessageEvent);
    let got = "";
    for (const [index, data] of parts.entries()) {
      const place = { first: index === 0, last: index === parts.length - 1 };
      const event =
        parts.length === 1 ? { type: "message", text: true, data } : { type: "part", text: true, data, ...place };
      const given = layer.arrived(event as MessageEvent | PartEvent);
      if (given) got += given.data;
    }
    const failed = told.includes("failed");
    return { told, got: failed ? "" : got };
  });
}

/** What a client makes of texts one after another; what it is told of is in order. */
function play(text: string): string {
  let heard = "";
  const resume = resumeTopics({
    resumed: ({ recovered }) => {
      heard += recovered ? "r" : "x";
    },
    gap: () => {
      heard += "g";
    },
  });
  for (let connection = 0; connection < 2; connection++) {
    let first: string | undefined;
    const socket: ResumedSocket = {
      protocol: "openline.resume.v1",
      send: (data) => {
        first = data as string;
      },
    };
    resume.first(socket);
    check(parseRequest(first!) !== undefined, "A client sends what no server reads");
    try {
      for (const each of text.split("\n")) {
        const given = resume.receive(each as never, socket) as string | undefined;
        check(given === undefined || given === (isMarked(each) ? each.slice(1) : each), "Another message comes out");
      }
    } catch (error) {
      check((error as Error).message.startsWith("Cannot resume: "), `It throws ${error}`);
      heard += "!";
    }
  }
  return heard.slice(0, 6);
}
