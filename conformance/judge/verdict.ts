/**
 * Compares what was seen with what a case expects, and puts both into words.
 */
import type { Case, Expected, Outcome } from "../case.ts";
import { bytesOf } from "../wire/frame.ts";
import { type Head, statusOf, valuesOf } from "../wire/head.ts";
import type { Observation } from "./observation.ts";

/**
 * `pass`: the outcome wanted. `accepted`: another that the standard allows. `fail`: neither.
 * `skip`: the peer cannot be asked this.
 */
export type Verdict = "pass" | "accepted" | "fail" | "skip";

/** The result of a case for one peer. */
export interface Judgement {
  readonly verdict: Verdict;
  /** What the peer did, in a few words. */
  readonly seen: string;
}

/** Judges an observation. */
export function judge(test: Case, seen: Observation): Judgement {
  if (seen.skipped !== undefined) return { verdict: "skip", seen: seen.skipped };
  const said = describeSeen(seen);
  if (seen.violations.length > 0) return { verdict: "fail", seen: `${seen.violations.join("; ")}; ${said}` };
  const [best, ...others] = test.expect;
  if (best !== undefined && matches(best, seen)) return { verdict: "pass", seen: said };
  const accepted = others.some((outcome) => matches(outcome, seen)) || test.expect.some((o) => almost(o, seen));
  return { verdict: accepted ? "accepted" : "fail", seen: said };
}

function matches(outcome: Outcome, seen: Observation): boolean {
  switch (outcome.kind) {
    case "echoes":
      return sameMessages(outcome.messages, seen, true) && samePongs(outcome.pongs ?? [], seen) && closedAsAsked(seen);
    case "fails":
      return failed(outcome, seen) && seen.close?.code !== undefined && outcome.codes.includes(seen.close.code);
    case "closes":
      return (
        seen.close !== undefined &&
        outcome.codes.includes(seen.close.code) &&
        sameMessages(outcome.messages ?? [], seen, true) &&
        seen.end !== undefined
      );
    case "status":
      return seen.head !== undefined && outcome.codes.includes(statusOf(seen.head));
    case "refuses":
      return seen.end !== undefined && seen.order.every((event) => event === "end");
    case "seen":
      return outcome.test(seen);
  }
}

/** Outcomes that meet the requirement but not the recommendation beside it. */
function almost(outcome: Outcome, seen: Observation): boolean {
  switch (outcome.kind) {
    case "echoes":
      return (
        sameMessages(outcome.messages, seen, true) && latestPongs(outcome.pongs ?? [], seen) && closedAsAsked(seen)
      );
    case "fails":
      return failed(outcome, seen) && seen.close?.code !== 1000;
    case "status": {
      const status = seen.head === undefined ? 0 : statusOf(seen.head);
      return seen.head === undefined ? seen.end !== undefined : status >= 300 && status < 600;
    }
    case "refuses":
      return seen.end !== undefined && seen.messages.length === 0 && seen.markers === 0;
    default:
      return false;
  }
}

/** The connection was over without our asking, and nothing was delivered that came after the fault. */
function failed(outcome: Outcome & { kind: "fails" }, seen: Observation): boolean {
  const opened = seen.head !== undefined && (seen.role === "client" || statusOf(seen.head) === 101);
  const endedByItself = seen.close !== undefined || seen.end !== undefined;
  return opened && endedByItself && seen.close?.code !== 1000 && sameMessages(outcome.before ?? [], seen, false);
}

function closedAsAsked(seen: Observation): boolean {
  return seen.markers > 0 && seen.close?.code === 1000;
}

function sameMessages(expected: readonly Expected[], seen: Observation, all: boolean): boolean {
  if (all ? seen.messages.length !== expected.length : seen.messages.length > expected.length) return false;
  return seen.messages.every(({ text, payload }, i) => {
    const wanted = expected[i]!;
    return text === (typeof wanted === "string") && payload.equals(bytesOf(wanted));
  });
}

function samePongs(expected: readonly Expected[], seen: Observation): boolean {
  return expected.length === seen.pongs.length && seen.pongs.every((pong, i) => pong.equals(bytesOf(expected[i])));
}

/** RFC 6455, section 5.5.3: it may be only the most recent Ping that is answered. */
function latestPongs(expected: readonly Expected[], seen: Observation): boolean {
  let next = 0;
  const inOrder = seen.pongs.every((pong) => {
    const found = expected.findIndex((ping, i) => i >= next && pong.equals(bytesOf(ping)));
    next = found + 1;
    return found !== -1;
  });
  return inOrder && (expected.length === 0 || seen.markers > 0);
}

/** What a peer did, in a few words. */
export function describeSeen(seen: Observation): string {
  const said: string[] = [];
  const status = seen.head === undefined || seen.role === "client" ? 0 : statusOf(seen.head);
  if (seen.head !== undefined && seen.role === "server" && status !== 101)
    said.push(`status ${status || seen.head.startLine}`);
  if (seen.messages.length > 0) said.push(describeMessages(seen));
  if (seen.pongs.length > 0) said.push(count(seen.pongs.length, "pong"));
  if (seen.close !== undefined) said.push(describeClose(seen.close));
  else if (seen.end === "fin") said.push("ended TCP");
  else if (seen.end === "reset") said.push("reset TCP");
  if (seen.markers > 0 && seen.close === undefined && seen.messages.length === 0) said.unshift("answered a ping");
  if (status === 101 && said.length === 0) said.push(describeAnswer(seen.head!));
  if (seen.missed !== undefined) said.push(`no ${seen.missed.replace(/^the /, "")} in time`);
  return said.join(", ") || "nothing";
}

function describeAnswer(head: Head): string {
  const extensions = valuesOf(head, "Sec-WebSocket-Extensions").join(", ");
  return extensions === "" ? "a 101 without extensions" : `a 101 with ${extensions}`;
}

function describeMessages({ messages }: Observation): string {
  const bytes = messages.reduce((sum, { payload }) => sum + payload.length, 0);
  const first = messages[0]!;
  const kind = messages.every(({ text }) => text === first.text) ? (first.text ? "text " : "binary ") : "";
  if (messages.length === 1 && first.text && bytes > 0 && bytes <= 24)
    return `echoed ${JSON.stringify(first.payload.toString())}`;
  return `echoed ${count(messages.length, `${kind}message`)} of ${bytes} bytes${messages.length > 1 ? " in all" : ""}`;
}

function describeClose({ code, reason }: { code: number | undefined; reason: string }): string {
  const name = code === undefined ? "an empty Close" : `Close ${code}`;
  return reason === "" ? name : `${name} ${JSON.stringify(reason.length > 60 ? `${reason.slice(0, 60)}…` : reason)}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

/** An outcome in words. */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case "echoes": {
      const parts = [
        outcome.messages.length > 0 ? `echoes ${count(outcome.messages.length, "message")}` : "",
        outcome.pongs !== undefined ? `answers ${count(outcome.pongs.length, "ping")}` : "",
        "closes with 1000 when asked",
      ];
      return parts.filter(Boolean).join(", ");
    }
    case "fails":
      return `fails the connection with ${outcome.codes.join(" or ")}`;
    case "closes":
      return `answers with ${outcome.codes.map((code) => (code === undefined ? "an empty Close" : `Close ${code}`)).join(" or ")}`;
    case "status":
      return `answers ${outcome.codes.join(" or ")}`;
    case "refuses":
      return "does not open";
    case "seen":
      return outcome.text;
  }
}

/** A case's expectation in words. */
export function describeExpectation(test: Case): string {
  const [best, ...others] = test.expect.map(describeOutcome);
  return others.length === 0 ? `${best}` : `${best}; accepted: ${others.join(", or ")}`;
}
