/** What the cases on permessage-deflate have in common. */
import { BOTH, type DeflateParameters, type Expected, type Step } from "../case.ts";
import type { Session } from "../judge/session.ts";
import { bytesOf, type FrameSpec, Op } from "../wire/frame.ts";
import { hexBytes, parts, pieces, text } from "./build.ts";

/** A requirement on both sides. */
export const both = { roles: BOTH, level: "must" } as const;
/** The bit of a compressed message. */
export const RSV1 = 4;
/** The agreement that most cases ask for. */
export const PLAIN: DeflateParameters = { clientMaxWindowBits: 15 };
/** Each message compressed for itself. */
export const FRESH: DeflateParameters = { serverNoContextTakeover: true, clientNoContextTakeover: true };

/** Sends a message compressed by the judge, in fragments of `size` bytes where it is given. */
export function compressed(message: Expected, { size, level }: { size?: number; level?: number } = {}): Step {
  return (session) => {
    const payload = session.compressor!.compress(bytesOf(message), level);
    const opcode = typeof message === "string" ? Op.Text : Op.Binary;
    for (const frame of pieces(opcode, size === undefined ? [payload] : parts(payload, size), { rsv: RSV1 }))
      session.queue(frame);
  };
}

/** A frame whose compressed payload is given byte by byte. */
export function raw(hex: string | Uint8Array, more: Partial<FrameSpec> = {}): FrameSpec {
  return text(typeof hex === "string" ? hexBytes(hex) : hex, { rsv: RSV1, ...more });
}

/** Leaves a case out where the agreement has no window from one message to the next. */
export function onlyWithTakeover(session: Session): void {
  if (session.seen.agreement!.ownNoContextTakeover)
    session.seen.skipped = "The agreement leaves no window between messages";
}
