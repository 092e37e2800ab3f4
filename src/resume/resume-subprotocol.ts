/**
 * The subprotocol that stands around an application's own, or alone, and the text that tells the two apart.
 *
 * A text that begins with one U+0000 is the resume protocol's. The application's own text that begins with U+0000 has one
 * more on its way, so that no text of the one is taken for the other's.
 */

/** The name without a subprotocol of the application. */
export const resumeSubprotocol = "openline.resume.v1";

const around = `${resumeSubprotocol}+`;

/** The name on the wire for an application's subprotocol, undefined or empty for none. */
export function resumedSubprotocol(own: string | undefined): string {
  return own ? around + own : resumeSubprotocol;
}

/** The application's subprotocol of such a name, empty for none; undefined where the name is no such. */
export function ownSubprotocol(name: string): string | undefined {
  if (name === resumeSubprotocol) return "";
  return name.startsWith(around) && name.length > around.length ? name.slice(around.length) : undefined;
}

/** The application's text as it is on its way. */
export function escapeText(text: string): string {
  return text.charCodeAt(0) === 0 ? `\0${text}` : text;
}

/** Whether a text on its way begins with U+0000: it is the protocol's, or was escaped. */
export function isMarked(text: string): boolean {
  return text.charCodeAt(0) === 0;
}

/** Whether such a text is the application's: `slice(1)` gives it. */
export function isEscaped(text: string): boolean {
  return text.charCodeAt(1) === 0;
}
