// @ts-check
/** Tokens that the server signs itself. They hold who, for which use, and until when. */
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";

/** @typedef {{ user: string, use: string, id: string, until: number }} Claims */

/** How long a token holds. A timer cannot wait for more. */
export const seconds = Number(process.env.TOKEN_SECONDS ?? 20);
if (!Number.isInteger(seconds) || seconds < 1 || seconds > 2_147_483) {
  console.error(`TOKEN_SECONDS is "${process.env.TOKEN_SECONDS}", which is no whole number from 1 to 2147483`);
  process.exit(1);
}

/** Several processes would share it, and keep it from one start to the next. */
const secret = randomBytes(32);
/** @type {Set<string>} */
const redeemed = new Set();

/** @param {string} text */
const sign = (text) => createHmac("sha256", secret).update(text).digest();

/** @param {string} user @param {string} use @param {number} seconds */
export function issue(user, use, seconds) {
  const claims = { user, use, id: randomUUID(), until: Date.now() + seconds * 1000 };
  const text = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `${text}.${sign(text).toString("base64url")}`;
}

/**
 * The claims of a token that is ours, for this use, and has not expired; else undefined.
 *
 * @param {unknown} token @param {string} use @returns {Claims | undefined}
 */
export function verify(token, use) {
  const [text = "", signature = ""] = String(token ?? "").split(".");
  const [given, own] = [Buffer.from(signature, "base64url"), sign(text)];
  if (given.length !== own.length || !timingSafeEqual(given, own)) return undefined;
  const claims = JSON.parse(Buffer.from(text, "base64url").toString());
  return claims.use === use && claims.until > Date.now() ? claims : undefined;
}

/** As `verify`, for a ticket, which lets in once. @param {unknown} ticket */
export function redeem(ticket) {
  const claims = verify(ticket, "ticket");
  if (!claims || redeemed.has(claims.id)) return undefined;
  redeemed.add(claims.id);
  setTimeout(() => redeemed.delete(claims.id), claims.until - Date.now()).unref();
  return claims;
}
