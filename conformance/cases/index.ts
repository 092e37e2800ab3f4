/** Every case, in the order of the groups. */
import { type Case, GROUPS } from "../case.ts";
import { floods, limits, sizes } from "./bulk.ts";
import { closing } from "./closing.ts";
import { control } from "./control.ts";
import { deflate } from "./deflate.ts";
import { fragments } from "./fragments.ts";
import { framing } from "./framing.ts";
import { handshakeRequest } from "./handshake-request.ts";
import { handshakeResponse } from "./handshake-response.ts";
import { masking } from "./masking.ts";
import { order } from "./order.ts";
import { opcodes, rsv } from "./reserved.ts";
import { utf8 } from "./utf8.ts";

const ALL: readonly Case[] = [
  ...handshakeRequest,
  ...handshakeResponse,
  ...framing,
  ...control,
  ...fragments,
  ...rsv,
  ...opcodes,
  ...utf8,
  ...closing,
  ...order,
  ...limits,
  ...sizes,
  ...deflate,
  ...masking,
  ...floods,
];
const ORDER = Object.keys(GROUPS);

/** All cases, sorted by group; ids are unique. */
export const CASES: readonly Case[] = ALL.toSorted((a, b) => ORDER.indexOf(a.group) - ORDER.indexOf(b.group));

const ids = new Set(CASES.map(({ id }) => id));
if (ids.size !== CASES.length) {
  const twice = CASES.filter(({ id }, i) => CASES.findIndex((other) => other.id === id) !== i).map(({ id }) => id);
  throw new Error(`Cannot list the cases: an id is taken twice: ${twice.join(", ")}`);
}
