/**
 * Writes the reference pages that show the tables the code runs on: what can go wrong, and the states.
 *
 * With `--check` it writes nothing and exits 1 when a committed page is stale.
 */
import { fileURLToPath } from "node:url";
import {
  type EndpointState,
  readyStates,
  type Transition,
  transitions,
} from "../src/protocol/endpoint/endpoint-state.ts";
import { type HandshakeRule, handshakeRules } from "../src/protocol/handshake/handshake-error.ts";
import { type Violation, violations } from "../src/protocol/protocol-error.ts";
import { type GeneratedPage, settleAsAsked } from "./generated-page.ts";

const madeBy = "This page is made from the tables that the code runs on, by `npx tsx scripts/print-reference.ts`.";

const meanings: Readonly<Record<EndpointState, string>> = {
  open: "messages flow both ways",
  closing: "our Close is sent and theirs awaited; we still read, and still answer a Ping",
  peerClosing: "their Close has come; the application finishes its replies, then our echo is sent",
  discarding: "both Close frames are done, or the connection failed; what still arrives is thrown away",
  closed: "the transport is gone",
};

const causes: Readonly<Record<Transition, string>> = {
  closeSent: "our Close is in the output",
  closeReceived: "the peer's Close was read",
  failed: "the peer broke a rule, see [protocol errors](protocol-errors.md)",
  peerEnded: "the peer ended its side of the TCP connection without a Close, and all that it sent was handled",
  transportEnded: "the TCP connection ended, in whatever way",
};

/** The page of the rules that a peer can break, after and during the opening handshake. */
export function protocolErrorsPage(): string {
  const names = Object.keys(violations) as Violation[];
  const afterwards = names.map((name) => {
    const { section, closeCode, text } = violations[name];
    return [code(name), section, String(closeCode), text];
  });
  const rules = Object.keys(handshakeRules) as HandshakeRule[];
  const opening = rules.map((name) => {
    const { section, status, text, headers = [] } = handshakeRules[name];
    const fields = headers.map(([field, value]) => code(`${field}: ${value}`)).join("<br>");
    const [number, document = "RFC 6455"] = section.split(" of ");
    return [code(name), `${document} section ${number}`, status ?? "", fields, text];
  });
  return page("Protocol errors", [
    "## On an open connection",
    "",
    "A peer that breaks one of these rules, or whose message fails here, is sent a Close frame with the code and the sentence,",
    "and nothing that it sends afterwards is read. The name is the `violation` of the `ProtocolError`.",
    "",
    ...table(["violation", "section", "close code", "what is wrong"], afterwards),
    "",
    "## During the opening handshake",
    "",
    "A server answers a request that breaks a rule with the status and the header fields beside it. A client fails with a",
    "`HandshakeError`, whose `rule` is the name. Rules without a status are the client's own.",
    "",
    ...table(["rule", "section", "status", "header fields", "what is wrong"], opening),
  ]);
}

/** The page of the states: a picture, and the table that it is drawn from. */
export function statesPage(): string {
  const states = Object.keys(transitions) as EndpointState[];
  const kinds = Object.keys(causes) as Transition[];
  const arrows = states.flatMap((from) => kinds.map((kind) => [from, kind, transitions[from][kind]] as const));
  const drawn = arrows.flatMap(([from, kind, to]) => (to === undefined ? [] : [`  ${from} --> ${to}: ${kind}`]));
  const rows = states.map((state) => [
    code(state),
    String(readyStates[state]),
    meanings[state],
    ...kinds.map((kind) => transitions[state][kind] ?? "–"),
  ]);
  return page("States of a connection", [
    "The opening handshake comes before: a connection begins `open`.",
    "",
    "```mermaid",
    "stateDiagram-v2",
    "  [*] --> open",
    ...drawn,
    "  closed --> [*]",
    "```",
    "",
    ...table(["state", "`readyState`", "means", ...kinds.map(code)], rows),
    "",
    ...kinds.map((kind) => `- ${code(kind)}: ${causes[kind]}`),
  ]);
}

function page(title: string, lines: readonly string[]): string {
  return [`# ${title}`, "", madeBy, "", ...lines, ""].join("\n");
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

function code(text: string): string {
  return `\`${text}\``;
}

/** All pages of tables. */
export function referencePages(): GeneratedPage[] {
  return [
    { path: "docs/reference/protocol-errors.md", text: protocolErrorsPage(), problems: [] },
    { path: "docs/reference/states.md", text: statesPage(), problems: [] },
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  settleAsAsked(fileURLToPath(new URL("..", import.meta.url)), ...referencePages());
}
