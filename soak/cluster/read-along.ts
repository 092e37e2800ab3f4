/**
 * A client's `resume`, with somebody who reads along what the server says beneath the messages, so that the judge knows the
 * position of each: by its own reading of the protocol, not by that of the client.
 */
import type { Resume } from "openline/resume";

/** What is read. */
export interface ReadAlong {
  /** The connection is subscribed to its topic from there. */
  subscribed(position: string): void;
  /** What was missed is there, or cannot be had. */
  resumed(outcome: { readonly recovered: boolean; readonly replayed: number }): void;
  gap(gap: { readonly reason: string; readonly position: string }): void;
  /** The next message; without a position where it is of no topic. */
  message(text: string, position: string | undefined): void;
}

/** Reads along, for connections that are subscribed to one topic. */
export function readAlong(resume: Resume<never>, reader: ReadAlong): Resume<never> {
  let epoch = "";
  /** Of the next messages. */
  let offsets: number[] = [];

  const read = (text: string) => {
    if (!text.startsWith("{")) {
      let offset = 0;
      for (const step of text.split(" ").slice(1)) {
        offset += Math.abs(Number(step));
        // The place of the client's own message, which does not come.
        if (!step.startsWith("-")) offsets.push(offset);
      }
      return;
    }
    const { subscribed, resumed, gap } = JSON.parse(text);
    const position: string | undefined = (subscribed ?? gap)?.position;
    if (position !== undefined) epoch = position.slice(0, position.lastIndexOf(":"));
    if (subscribed) reader.subscribed(subscribed.position);
    if (gap) reader.gap(gap);
    if (resumed) reader.resumed(resumed);
  };

  return {
    ...resume,
    first: (socket) => {
      offsets = [];
      resume.first(socket);
    },
    receive: (data: unknown, socket) => {
      const text = String(data);
      if (text.startsWith("\0")) read(text.slice(1));
      else reader.message(text, offsets.length > 0 ? `${epoch}:${offsets.shift()}` : undefined);
      return resume.receive(data as never, socket);
    },
  };
}
