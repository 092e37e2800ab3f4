/**
 * Invariant: every header field parser accepts exactly its grammar, as regular expressions give it, and reads the same out.
 *
 * The first byte of an input chooses the parser; a line feed in the rest begins another line of the same field.
 */
import {
  type ExtensionElement,
  fieldValues,
  isFieldValue,
  isToken,
  type ListProblem,
  parseAuthority,
  parseExtensionList,
  parseProductList,
  parseTokenList,
} from "../../src/protocol/handshake/header-fields.ts";
import { check, latin1, type Outcome, type Target } from "../target.ts";

/** Values of header fields. */
export const headerFieldsTarget: Target = {
  name: "header-fields",
  maxLength: 160,
  dictionary: [
    '", "',
    '";"',
    '"="',
    '"\\""',
    '"\\\\"',
    '"permessage-deflate"',
    '"client_max_window_bits"',
    '"; a=\\"b\\""',
    '"websocket/13"',
    '"\\t "',
    '"__proto__"',
    '"[::1]:65535"',
    '"a.b:80"',
    '"%41"',
    "0a",
    "80",
    "ff",
  ],
  run,
};

const limit = 3;
const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const space = "[\\t ]*";
const quoted = "\"(?:[!#$%&'*+\\-.^_`|~0-9A-Za-z]|\\\\[!#$%&'*+\\-.^_`|~0-9A-Za-z])+\"";
const parameter = `;${space}(${token})${space}(?:=${space}(${token}|${quoted})${space})?`;
const tokenPattern = new RegExp(`^${token}$`);
const productPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z/]+$/;
const extensionPattern = new RegExp(`^(${token})${space}((?:${parameter})*)$`);
const authorityPattern = /^(\[[0-9A-Fa-f:.]+\]|[-._~%!$&'()*+;=0-9A-Za-z]+)(?::(\d{0,5}))?$/;

const parsers: readonly ((text: string) => Outcome)[] = [
  (text) => {
    const token = isToken(text);
    check(token === tokenPattern.test(text), "isToken is wrong");
    return `token ${token}`;
  },
  (text) => {
    const value = isFieldValue(text);
    check(value === /^[\t\x20-\x7e\x80-\xff]*$/.test(text), "isFieldValue is wrong");
    return `value ${value}`;
  },
  (text) => list("tokens", parseTokenList(text.split("\n"), limit), expectedList(text, tokenPattern, limit)),
  (text) =>
    list("products", parseProductList(text.split("\n")), expectedList(text, productPattern, Number.POSITIVE_INFINITY)),
  (text) => list("extensions", parseExtensionList(text.split("\n"), limit), expectedExtensions(text)),
  authority,
  fields,
];

function run(input: Uint8Array): Outcome {
  return parsers[(input[0] ?? 0) % parsers.length]!(latin1(input.subarray(1)));
}

function list(
  name: string,
  read: readonly (string | ExtensionElement)[] | ListProblem,
  expected: readonly (string | ExtensionElement)[] | ListProblem,
): Outcome {
  const [one, other] = [JSON.stringify(read), JSON.stringify(expected)];
  if (one !== other) throw new Error(`The ${name} are ${one}, not ${other}`);
  if (typeof read === "string") return `${name} ${read}`;
  let parameters = 0;
  for (const each of read) if (typeof each !== "string") parameters += each.parameters.length;
  return `${name} ${read.length} ${Math.min(parameters, 4)} ${one.includes("true")}`;
}

/** The elements of all lines between commas, without the empty ones. */
function elementsOf(text: string): string[] {
  return text.split("\n").flatMap((line) => line.split(",").map((each) => each.replace(/^[\t ]+|[\t ]+$/g, "")));
}

function expectedList(text: string, element: RegExp, most: number): string[] | ListProblem {
  const found: string[] = [];
  const starts = new RegExp(`^${element.source.slice(1, -2)}`);
  for (const each of elementsOf(text)) {
    if (each === "") continue;
    if (starts.test(each) && found.length === most) return "too-many";
    if (!element.test(each)) return "malformed";
    found.push(each);
  }
  return found.length === 0 ? "malformed" : found;
}

function expectedExtensions(text: string): ExtensionElement[] | ListProblem {
  const found: ExtensionElement[] = [];
  for (const each of elementsOf(text)) {
    if (each === "") continue;
    if (tokenPattern.test(each[0]!) && found.length === limit) return "too-many";
    const [, name, rest] = extensionPattern.exec(each) ?? [];
    if (name === undefined) return "malformed";
    const parameters = [...rest!.matchAll(new RegExp(parameter, "g"))].map(
      ([, key, value]): [string, string | true] => [
        key!,
        value === undefined ? true : value.startsWith('"') ? value.slice(1, -1).replaceAll("\\", "") : value,
      ],
    );
    found.push({ name, parameters });
  }
  return found.length === 0 ? "malformed" : found;
}

function authority(text: string): Outcome {
  const read = parseAuthority(text);
  const match = authorityPattern.exec(text);
  const port = match?.[2] === undefined || match[2] === "" ? "" : String(Number(match[2]));
  const expected = match === null || Number(port) > 65_535 ? undefined : { host: match[1]!.toLowerCase(), port };
  if (JSON.stringify(read) !== JSON.stringify(expected)) throw new Error(`The authority is ${JSON.stringify(read)}`);
  return `authority ${read === undefined ? "none" : `${read.host.startsWith("[")} ${read.port.length}`}`;
}

/** The rest as raw headers, a name and a value a line by turns. */
function fields(text: string): Outcome {
  const raw = text.split("\n");
  const name = (raw[0] ?? "").toLowerCase();
  const expected: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index]!.toLowerCase() === name) expected.push((raw[index + 1] ?? "").replace(/^[\t ]+|[\t ]+$/g, ""));
  }
  const read = fieldValues(raw, name);
  if (JSON.stringify(read) !== JSON.stringify(expected)) throw new Error(`The values are ${JSON.stringify(read)}`);
  return `fields ${read.length}`;
}
