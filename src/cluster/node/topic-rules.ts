/**
 * The rules of topics: which of them have a history, by name or by prefix. All nodes must have the same.
 */

import { checkNumber } from "../../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import type { HistoryRule } from "../broker/broker.ts";

/** A message on its way to a client without the resume protocol. */
export interface Encodable {
  readonly topic: string;
  readonly data: string | Uint8Array;
  /** Behind this message: what the client may give back as `since`. */
  readonly position: string;
}

/** The rule of one topic, or of all that begin with a prefix. */
export interface TopicRule {
  /** How much the broker keeps, for clients that come back. Default: nothing, and delivery is at most once. */
  readonly history?: {
    /** The newest messages of each topic, 1 to 10,000. */
    readonly size: number;
    /** Milliseconds after the last message of a topic, by the broker's clock. Default 300,000. */
    readonly maxAge?: number;
  };
  /** Whether connections may be members that all nodes know of: the option `presence` of `subscribe`. Default false. */
  readonly presence?: boolean;
  /** Whether the topic stays in its process, broker or not. Default false. */
  readonly local?: boolean;
  /**
   * What is sent in place of a message of a topic with history, made once for each message and node: such as the message
   * with its position in it. Default: the message as it was published.
   */
  readonly encode?: (message: Encodable) => string | Uint8Array;
}

/** Rules by topic, or by prefix where the name ends in `*`; the longest one that fits counts. */
export type TopicRules = Readonly<Record<string, TopicRule>>;

/** A rule with every default filled in. */
export interface ResolvedRule {
  readonly history: HistoryRule | undefined;
  readonly hasPresence: boolean;
  readonly isLocal: boolean;
  readonly encode: ((message: Encodable) => string | Uint8Array) | undefined;
}

const ruleTable: OptionTable<TopicRule> = {
  history: "object",
  presence: "boolean",
  local: "boolean",
  encode: "function",
};
const historyTable: OptionTable<NonNullable<TopicRule["history"]>> = { size: "number", maxAge: "number" };
const noRule: ResolvedRule = { history: undefined, hasPresence: false, isLocal: false, encode: undefined };

/** Returns the function that tells a topic's rule. Throws a TypeError or a RangeError for rules that cannot be. */
export function resolveRules(rules: TopicRules): (topic: string) => ResolvedRule {
  if (Symbol.iterator in rules) {
    throw new TypeError(
      "Cannot make rules: topics must be an object that has a rule for each name, such as { news: {} }",
    );
  }
  const exact = new Map<string, ResolvedRule>();
  const prefixes: (readonly [prefix: string, rule: ResolvedRule])[] = [];
  for (const [name, rule] of Object.entries(rules)) {
    const resolved = resolveRule(name, rule);
    if (name.endsWith("*")) prefixes.push([name.slice(0, -1), resolved]);
    else exact.set(name, resolved);
  }
  prefixes.sort(([one], [other]) => other.length - one.length);
  return (topic) => exact.get(topic) ?? prefixes.find(([prefix]) => topic.startsWith(prefix))?.[1] ?? noRule;
}

function resolveRule(name: string, rule: TopicRule): ResolvedRule {
  const action = `make the rule of ${JSON.stringify(name)}`;
  checkOptions(action, rule, ruleTable);
  const { history, presence: hasPresence = false, local = false, encode } = rule;
  if (local && hasPresence) {
    throw new TypeError(`Cannot ${action}: a local topic has no presence, which the broker keeps`);
  }
  if (history === undefined) {
    if (encode) throw new TypeError(`Cannot ${action}: encode is for topics with history, which have positions`);
    return { history: undefined, hasPresence, isLocal: local, encode };
  }
  if (local) throw new TypeError(`Cannot ${action}: a local topic has no history, which the broker keeps`);
  checkOptions(action, history, historyTable);
  const size = checkNumber(action, "history.size", history.size, { least: 1, most: 10_000, whole: true });
  const age = { least: 1000, most: 30 * 24 * 60 * 60 * 1000, whole: true };
  const maxAge = checkNumber(action, "history.maxAge", history.maxAge ?? 300_000, age);
  return { history: { size, maxAge }, hasPresence, isLocal: false, encode };
}
