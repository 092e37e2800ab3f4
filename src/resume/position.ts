/**
 * A place in a topic's log, and its text: what a client keeps and gives back.
 */

/** A place in a topic's log: behind the entry of this offset, or at the log's start where that is 0. */
export interface LogPosition {
  /** The log that the offset counts in; a broker that lost a log begins another epoch. */
  readonly epoch: string;
  /** An integer below 2^53. */
  readonly offset: number;
}

const positionText = /^([!-9;-~]{1,64}):(\d{1,16})$/;

/** The position as an application keeps it. */
export function positionToText({ epoch, offset }: LogPosition): string {
  return `${epoch}:${offset}`;
}

/** The position of such a text; undefined for any other. */
export function positionFromText(text: string): LogPosition | undefined {
  const match = positionText.exec(text);
  const offset = Number(match?.[2]);
  return match && Number.isSafeInteger(offset) ? { epoch: match[1]!, offset } : undefined;
}
