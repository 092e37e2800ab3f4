/**
 * A response other than 101, in a few words for the message of an error.
 */

import { fieldValues } from "../../protocol/handshake/header-fields.ts";
import type { HandshakeResponse } from "../../protocol/handshake/response.ts";
import { shownUrl } from "./url.ts";

/** The number of characters of a body that an error's message shows. */
const maxShownLength = 120;

/** The status with the first sentence of the body, or with the URL of a redirect that is not followed. */
export function refusalWords(response: HandshakeResponse, url: URL, body: Uint8Array | undefined): string {
  const { status, rawHeaders } = response;
  const [location] = fieldValues(rawHeaders, "location");
  if (location !== undefined && URL.canParse(location, url.href)) {
    return `${status}, a redirect to ${shownUrl(new URL(location, url))}; followRedirects says how many are followed`;
  }
  return statusWords(response, body);
}

/** The status with the first sentence of the body. */
export function statusWords({ status, rawHeaders }: HandshakeResponse, body: Uint8Array | undefined): string {
  const encoded = fieldValues(rawHeaders, "content-encoding").some((encoding) => encoding.toLowerCase() !== "identity");
  const sentence = body === undefined || encoded ? "" : firstSentence(new TextDecoder().decode(body));
  return sentence === "" ? String(status) : `${status} "${sentence}"`;
}

/** The first sentence of a text, or of the title of a page; empty for bytes that are no text. */
export function firstSentence(text: string): string {
  const title = /<title[^>]*>([^<]*)/i.exec(text)?.[1];
  const words = (title ?? text.replace(/<(style|script)\b.*?<\/\1>|<[^>]*>/gis, " ")).replace(/\s+/g, " ").trim();
  if (/[\p{Cc}\ufffd]/u.test(words.slice(0, maxShownLength))) return "";
  const sentence = /^.*?[.!?](?= |$)/u.exec(words)?.[0] ?? words;
  // Some format characters turn the direction of a line.
  const shown = sentence.replace(/\p{Cf}/gu, "");
  return shown.length > maxShownLength ? `${shown.slice(0, maxShownLength)}…` : shown;
}
