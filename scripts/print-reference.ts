/**
 * Writes the reference pages that show the tables the code runs on: what can go wrong, and the states.
 *
 * With `--check` it writes nothing and exits 1 when a committed page is stale.
 */
import { fileURLToPath } from "node:url";
import { type HandshakeRule, handshakeRules } from "../src/protocol/handshake/handshake-error.ts";
import { type Violation, violations } from "../src/protocol/protocol-error.ts";
import { type GeneratedPage, settleAsAsked } from "./generated-page.ts";
import { type Machine, machines } from "./state-machines.ts";

const madeBy = "This page is made from the tables that the code runs on, by `npx tsx scripts/print-reference.ts`.";

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

/** The page of the states: for each table a picture, and the table that it is drawn from. */
export function statesPage(): string {
  return page("States of a connection", [
    "The opening handshake comes before. From then on a connection has one state of each of these tables, independently of",
    "each other.",
    ...machines.flatMap((machine) => ["", ...sectionOf(machine)]),
  ]);
}

function sectionOf({ title, about, table: transitions, begins, states, events, numbers }: Machine): string[] {
  const kinds = Object.keys(events);
  const arrows = Object.entries(transitions).flatMap(([from, leads]) =>
    kinds.flatMap((kind) => (leads[kind] === undefined ? [] : [`  ${from} --> ${leads[kind]}: ${kind}`])),
  );
  const ends = Object.keys(transitions).filter((state) => Object.keys(transitions[state]!).length === 0);
  const rows = Object.entries(transitions).map(([state, leads]) => [
    code(state),
    ...(numbers ? [String(numbers[state])] : []),
    states[state]!,
    ...kinds.map((kind) => leads[kind] ?? "–"),
  ]);
  return [
    `## ${title}`,
    "",
    about,
    "",
    "```mermaid",
    "stateDiagram-v2",
    `  [*] --> ${begins}`,
    ...arrows,
    ...ends.map((state) => `  ${state} --> [*]`),
    "```",
    "",
    ...table(["state", ...(numbers ? ["`readyState`"] : []), "means", ...kinds.map(code)], rows),
    "",
    ...kinds.map((kind) => `- ${code(kind)}: ${events[kind]}`),
  ];
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
