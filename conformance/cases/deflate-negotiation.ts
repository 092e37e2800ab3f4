/**
 * RFC 7692 sections 5 and 7.1: offers that a server must decline or may take, answers that a client must refuse.
 */
import type { Case, HeadOptions, Outcome } from "../case.ts";
import { deflateOffer } from "../judge/handshake.ts";
import type { Observation } from "../judge/observation.ts";
import { type ExtensionElement, type Head, parseExtensions, statusOf, valuesOf } from "../wire/head.ts";

const EXTENSIONS = "Sec-WebSocket-Extensions";
const offer = (...values: string[]): HeadOptions => ({ extra: values.map((value) => [EXTENSIONS, value] as const) });

function answerOf({ head }: Observation): ExtensionElement | undefined {
  return head === undefined ? undefined : parseExtensions(valuesOf(head, EXTENSIONS))[0];
}

const opened = (seen: Observation): boolean => seen.head !== undefined && statusOf(seen.head) === 101;
const declines: Outcome = {
  kind: "seen",
  text: "declines: a 101 without the extension",
  test: (seen) => opened(seen) && answerOf(seen) === undefined,
};
const refuses400: Outcome = {
  kind: "seen",
  text: "a 400, since what does not follow the grammar is to be refused",
  test: (seen) => seen.head !== undefined && statusOf(seen.head) === 400,
};

/** Accepts with an answer that the test approves of. */
function accepts(text: string, test: (answer: ExtensionElement) => boolean): Outcome {
  return {
    kind: "seen",
    text: `accepts${text}`,
    test: (seen) => opened(seen) && answerOf(seen)?.name === "permessage-deflate" && test(answerOf(seen)!),
  };
}

const PMD = "permessage-deflate";
const BAD_PARAMETERS = [
  ["unknown", "x_unknown"],
  ["unknown-with-value", "x_unknown=10"],
  ["magic-name", "__proto__"],
  ["magic-name.constructor", "constructor=1"],
  ["server-bits.none", "server_max_window_bits"],
  ...["0", "1", "7", "16", "17", "31", "32", "100", "255", "4294967304"].map(
    (bits) => [`server-bits.${bits}`, `server_max_window_bits=${bits}`] as const,
  ),
  ...["08", "010", "1e1", "0x0a", "-9", "+9", "nine", "9a"].map(
    (bits) => [`server-bits.${bits}`, `server_max_window_bits=${bits}`] as const,
  ),
  ...["0", "7", "16", "32", "256", "08", "nine", "1e1", "-8", "9a"].map(
    (bits) => [`client-bits.${bits}`, `client_max_window_bits=${bits}`] as const,
  ),
  ["server-takeover.value", "server_no_context_takeover=1"],
  ["server-takeover.true", "server_no_context_takeover=true"],
  ["client-takeover.value", "client_no_context_takeover=1"],
  ["client-takeover.quoted", 'client_no_context_takeover="x"'],
  ["twice.server-takeover", "server_no_context_takeover; server_no_context_takeover"],
  ["twice.client-takeover", "client_no_context_takeover; client_no_context_takeover"],
  ["twice.server-bits", "server_max_window_bits=10; server_max_window_bits=10"],
  ["twice.server-bits-differ", "server_max_window_bits=10; server_max_window_bits=11"],
  ["twice.client-bits", "client_max_window_bits=10; client_max_window_bits=11"],
  ["twice.client-bits-none", "client_max_window_bits; client_max_window_bits"],
  ["upper-case-name", "SERVER_NO_CONTEXT_TAKEOVER"],
] as const;

const declined: Omit<Case, "group">[] = BAD_PARAMETERS.map(([id, parameter]) => ({
  id: `offer.declined.${id}`,
  ids: ["R7692-7-1", "B02", ...(id.startsWith("magic") ? ["C03"] : [])],
  title: `The offer ${PMD}; ${parameter} is declined`,
  roles: ["server"],
  // names of parameters are tokens; RFC 7692 does not say that their case matters
  level: id === "upper-case-name" ? "may" : "must",
  request: offer(`${PMD}; ${parameter}`),
  expect: [declines, refuses400, ...(id === "upper-case-name" ? [accepts("", () => true)] : [])],
}));

const fallback: Omit<Case, "group">[] = [
  ["unknown", "x_unknown", "", "server_no_context_takeover"],
  ["bits", "server_max_window_bits=7", "; server_max_window_bits=12", "server_max_window_bits"],
  [
    "twice",
    "client_max_window_bits; client_max_window_bits",
    "; server_no_context_takeover",
    "server_no_context_takeover",
  ],
].map(([id = "", first = "", second = ""]) => ({
  id: `offer.second-choice.${id}`,
  ids: ["R7692-5-1", "R7692-7-1"],
  title: `Of two offers the first must be declined (${first}); the second can be taken`,
  roles: ["server"] as const,
  level: "must" as const,
  request: offer(`${PMD}; ${first}, ${PMD}${second}`),
  expect: [accepts(" the second offer", (answer) => !answer.params.has("x_unknown")), declines, refuses400],
}));

const bitsOf = (answer: ExtensionElement, name: string): number => Number(answer.params.get(name));
const GOOD_OFFERS: readonly (readonly [string, HeadOptions, Outcome])[] = [
  ["plain", offer(PMD), accepts(" without client_max_window_bits", (a) => !a.params.has("client_max_window_bits"))],
  [
    "server-takeover",
    offer(`${PMD}; server_no_context_takeover`),
    accepts(" with server_no_context_takeover", (a) => a.params.get("server_no_context_takeover") === true),
  ],
  [
    "client-takeover",
    offer(`${PMD}; client_no_context_takeover`),
    accepts("", (a) => !a.params.has("client_max_window_bits")),
  ],
  ["client-bits", offer(`${PMD}; client_max_window_bits`), accepts("", () => true)],
  ...[8, 9, 10, 11, 12, 13, 14, 15].flatMap((bits) => [
    [
      `server-bits.${bits}`,
      offer(`${PMD}; server_max_window_bits=${bits}`),
      accepts(
        ` with at most ${bits} bits`,
        (a) => bitsOf(a, "server_max_window_bits") <= bits && bitsOf(a, "server_max_window_bits") >= 8,
      ),
    ] as const,
    [`client-bits.${bits}`, offer(`${PMD}; client_max_window_bits=${bits}`), accepts("", () => true)] as const,
  ]),
  [
    "quoted",
    offer(`${PMD}; server_max_window_bits="10"`),
    accepts(" with at most 10 bits", (a) => bitsOf(a, "server_max_window_bits") <= 10),
  ],
  [
    "all-four",
    offer(
      `${PMD}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12`,
    ),
    accepts(
      " with what the offer asks of the server",
      (a) => a.params.has("server_no_context_takeover") && bitsOf(a, "server_max_window_bits") <= 12,
    ),
  ],
  [
    "other-order",
    offer(
      `${PMD}; client_max_window_bits; server_max_window_bits=11; client_no_context_takeover; server_no_context_takeover`,
    ),
    accepts(" with what the offer asks of the server", (a) => a.params.has("server_no_context_takeover")),
  ],
  ["no-blanks", offer(`${PMD};client_max_window_bits;server_max_window_bits=10`), accepts("", () => true)],
  [
    "many-blanks",
    offer(`  ${PMD}  ;  client_max_window_bits  ;  server_max_window_bits = 10`),
    accepts("", () => true),
  ],
  ["after-unknown", offer(`x-unknown; a=b, ${PMD}`), accepts("", () => true)],
  ["before-unknown", offer(`${PMD}, x-unknown`), accepts(" and nothing else", () => true)],
  ["two-lines", offer("x-unknown", PMD), accepts("", () => true)],
  ["two-configurations", offer(`${PMD}; server_max_window_bits=9, ${PMD}`), accepts("", () => true)],
];

/** A server need not have the extension at all, so that declining is accepted; what it answers must be right. */
const good: Omit<Case, "group">[] = GOOD_OFFERS.map(([id, request, wanted]) => ({
  id: `offer.good.${id}`,
  ids: ["R7692-7.1.2.1-1", "R7692-7.1.1.1-1", "R6455-4.2.2-7"],
  title: `The offer ${request.extra?.map(([, value]) => value.trim()).join(" / ")}`,
  roles: ["server"],
  level: "must",
  request,
  expect: [wanted, declines, ...(id === "many-blanks" ? [refuses400] : [])],
}));

const only = ({ head }: Observation): boolean =>
  head !== undefined && parseExtensions(valuesOf(head, EXTENSIONS)).length <= 1;
const single: Omit<Case, "group"> = {
  id: "offer.one-answer",
  ids: ["R7692-5-2"],
  title: "Four alternatives of one extension get one answer at most",
  roles: ["server"],
  level: "must",
  request: offer(
    `${PMD}; server_max_window_bits=10, ${PMD}; client_max_window_bits, ${PMD}; server_no_context_takeover, ${PMD}`,
  ),
  expect: [{ kind: "seen", text: "one element, or none", test: (seen) => opened(seen) && only(seen) }],
};

/** An answer to a client that offers the extension; the case does not apply to others. */
function answering(value: string | ((offered: ExtensionElement) => string | undefined)) {
  return (request: Head): HeadOptions | undefined => {
    const offered = deflateOffer(request);
    const answer = offered === undefined || typeof value === "string" ? value : value(offered);
    return offered === undefined || typeof answer !== "string" ? undefined : offer(answer);
  };
}

const BAD_ANSWERS: readonly (readonly [string, ReturnType<typeof answering>, string])[] = [
  ...BAD_PARAMETERS.filter(([id]) => id !== "upper-case-name").map(
    ([id, parameter]) => [id, answering(`${PMD}; ${parameter}`), `${PMD}; ${parameter}`] as const,
  ),
  ["client-bits.none", answering(`${PMD}; client_max_window_bits`), `${PMD}; client_max_window_bits without a value`],
  [
    "client-bits.not-offered",
    answering(({ params }) => (params.has("client_max_window_bits") ? undefined : `${PMD}; client_max_window_bits=10`)),
    "client_max_window_bits=10 though it was not offered",
  ],
  [
    "server-takeover.missing",
    answering(({ params }) => (params.has("server_no_context_takeover") ? PMD : undefined)),
    "no server_no_context_takeover though it was asked for",
  ],
  [
    "server-bits.larger",
    answering(({ params }) =>
      Number(params.get("server_max_window_bits")) < 15 ? `${PMD}; server_max_window_bits=15` : undefined,
    ),
    "a larger server_max_window_bits than was asked for",
  ],
  ["two-answers", answering(`${PMD}, ${PMD}`), "two answers for one extension"],
  ["and-unknown", answering(`${PMD}, x-unknown`), "the extension and one that was not offered"],
  ["malformed", answering(`${PMD}; server_max_window_bits="10`), "an open quote"],
];

const LESS = ["server-takeover.missing", "server-bits.larger"];
const opens: Outcome = { kind: "seen", text: "opens", test: (seen) => seen.markers > 0 };

const refused: Omit<Case, "group">[] = BAD_ANSWERS.map(([id, response, what]) => ({
  id: `answer.refused.${id}`,
  ids: ["R7692-7-2", "B02"],
  title: `The answer has ${what}`,
  roles: ["client"],
  // a client may be able to do with less than it asked for, section 7.1
  level: LESS.includes(id) ? "may" : "must",
  response,
  expect: [{ kind: "refuses" }, ...(LESS.includes(id) ? [opens] : [])],
}));

const offers: Omit<Case, "group"> = {
  id: "offer.of-the-client",
  ids: ["R7692-7.1.2.1-1", "R7692-7.1.2.2-1", "R7692-7.1.1.1-1"],
  title: "What the client offers has known parameters with valid values, each once",
  roles: ["client"],
  level: "must",
  expect: [
    {
      kind: "seen",
      text: "a valid offer, or none",
      test: ({ head }) => {
        const offered = head === undefined ? undefined : deflateOffer(head);
        return offered === undefined ? head !== undefined : [...offered.params].every(validParameter);
      },
    },
  ],
};

function validParameter([name, value]: [string, string | true]): boolean {
  if (name.endsWith("_no_context_takeover")) return value === true;
  if (name === "client_max_window_bits" && value === true) return true;
  return name.endsWith("_max_window_bits") && typeof value === "string" && /^([89]|1[0-5])$/.test(value);
}

/** The part of the group `deflate` that is about the handshake. */
export const negotiation: Omit<Case, "group">[] = [...declined, ...fallback, ...good, single, ...refused, offers];
