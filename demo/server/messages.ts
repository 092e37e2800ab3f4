/**
 * What the page and the demo server say to each other: every JSON message, in both directions, and the limits both keep.
 * The page imports this file too, so that neither end can drift from the other; nothing here may need Node or the DOM.
 */

/** One look at the machine and this process, pushed to every watcher of `/push`. */
export interface Sample {
  /** Server time, milliseconds since the epoch. */
  readonly at: number;
  /** Share of all cores in use by anyone, 0 to 100. */
  readonly machineCpu: number;
  /** The system's load average over the last minute. */
  readonly load: number;
  /** Memory in use on the machine and in this process (resident set), in MiB. */
  readonly machineMemory: number;
  readonly processMemory: number;
  /** CPU this process used, 100 being one full core. */
  readonly processCpu: number;
  /** Event-loop delay over the last interval, milliseconds: median and 99th percentile. */
  readonly delayMedian: number;
  readonly delayP99: number;
  /** WebSocket connections open now; messages a second in each direction. */
  readonly connections: number;
  readonly received: number;
  readonly sent: number;
  /** KiB a second in each direction, framing included. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** KiB that wait in the connections' outboxes, and opening handshakes refused since the server started. */
  readonly buffered: number;
  readonly refused: number;
}

/** What `/push` sends: the past minute once, then each sample as it is taken. */
export type PushMessage =
  | { readonly is: "history"; readonly samples: readonly Sample[]; readonly machine: string }
  | { readonly is: "sample"; readonly sample: Sample };

/** Milliseconds between two samples of the push feed. */
export const SAMPLE_INTERVAL = 500;

/** How many samples the server remembers for those who come later: one minute. */
export const SAMPLES_KEPT = 120;

/** The three ways to follow the same feed. */
export const MODES = ["short", "long", "socket"] as const;
export type Mode = (typeof MODES)[number];

/** One change of state in the comparison's feed; `at` is the server's time in milliseconds since the epoch. */
export interface FeedEvent {
  readonly seq: number;
  readonly at: number;
  readonly machineCpu: number;
  readonly processMemory: number;
}

/** What one mode has cost so far, counted at the server's sockets. */
export interface Tally {
  readonly requests: number;
  /** Bytes the server read from, and wrote to, the sockets of this mode, headers and frames included. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** A moment's reading of a run; `cpu` is this process's CPU time in milliseconds since it began. */
export interface Figures {
  readonly at: number;
  readonly cpu: number;
  readonly made: number;
  readonly tallies: Readonly<Record<Mode, Tally>>;
}

/** What the page asks on `/compare`; each question gets one answer, in order. */
export type CompareQuestion =
  | { readonly do: "clock" }
  | { readonly do: "start"; readonly rate: number; readonly seconds: number }
  | { readonly do: "figures" }
  | { readonly do: "stop" };

/** The answers on `/compare`. */
export type CompareAnswer =
  | { readonly is: "clock"; readonly at: number }
  | { readonly is: "started"; readonly run: string; readonly total: number }
  | { readonly is: "figures"; readonly figures: Figures }
  | { readonly is: "refused"; readonly why: string };

/** Bounds of a comparison: events a second, and seconds. */
export const RATE: { readonly min: number; readonly max: number } = { min: 1, max: 50 };
export const SECONDS: { readonly min: number; readonly max: number } = { min: 1, max: 60 };

/** What the page says on `/chat/:room`, which it may look at without joining: join, talk, leave. `tab` names the tab. */
export type ChatRequest =
  | { readonly do: "join"; readonly name: string; readonly tab?: string }
  | { readonly do: "leave" }
  | { readonly do: "say"; readonly text: string };

/** One line of a room's talk. */
export interface Said {
  readonly is: "said";
  readonly name: string;
  readonly at: number;
  readonly text: string;
}

/** What a room says: first how it looks, and in a cluster on which node, then what happens. */
export type ChatMessage =
  | Said
  | {
      readonly is: "room";
      readonly node?: string;
      readonly members: readonly string[];
      readonly lines: readonly Said[];
    }
  | { readonly is: "members"; readonly members: readonly string[] }
  | { readonly is: "welcome"; readonly name: string; readonly members: readonly string[] }
  | { readonly is: "joined" | "left"; readonly name: string; readonly at: number; readonly members?: readonly string[] }
  | { readonly is: "refused"; readonly why: string };

/** The name under which the server greets; no member may have it. */
export const HOST_NAME = "openline";

/** How many lines of a room newcomers see. */
export const LINES_KEPT = 50;

/** Longest name and longest text of the chat, in UTF-16 code units as `maxlength` counts them. */
export const NAME_LIMIT = 24;
export const TEXT_LIMIT = 500;

/** How much of a tab's name counts, in UTF-16 code units. */
export const TAB_LIMIT = 40;

/** What a room's name may be: it is part of the URL. */
export const ROOM_NAME: RegExp = /^[a-z0-9-]{1,32}$/;

/** The readers of one feed in the slow-reader view: in the page, and in the server's own process over the network. */
export const READERS = ["page", "fast", "slow", "latest"] as const;
export type ReaderName = (typeof READERS)[number];

/** The feed of a trial: values of so many bytes, so many a second, for so many seconds. */
export const VALUE_SIZE: number = 64 * 1024;
export const VALUES_PER_SECOND = 25;
export const TRIAL_SECONDS = 60;

/** What may wait for one reader before the server lets it go, in bytes. */
export const QUEUE_LIMIT: number = 4 * 1024 * 1024;

/** How many values a second the slow readers read: what the page may ask for. */
export const PACES: readonly number[] = [1, 2, 5, 10, 25];

/** What the page asks on `/readers`: a trial, which ends the one before. */
export interface ReadersRequest {
  readonly do: "start";
  readonly perSecond: number;
}

/** One reader as the server sees it. */
export interface ReaderState {
  readonly name: ReaderName;
  readonly sent: number;
  /** Values that the reader has read; the page counts its own. */
  readonly read: number | undefined;
  /** Bytes that wait in the server for it. */
  readonly queued: number;
  /** When the server began to close it, in seconds; its Close then waits behind what the network holds. */
  readonly closing: number | undefined;
  /** How it ended; undefined before. */
  readonly gone: { readonly code: number; readonly why: string; readonly seconds: number } | undefined;
}

/** What `/readers` says: the trial to connect to, then four times a second how it goes. */
export type ReadersMessage =
  | { readonly is: "started"; readonly trial: string }
  | { readonly is: "readers"; readonly seconds: number; readonly readers: readonly ReaderState[] }
  | { readonly is: "over" }
  | { readonly is: "refused"; readonly why: string };

/** How many clients the page has in the drain view, and over how many milliseconds they are sent away. */
export const CLIENTS = 12;
export const DRAIN_OVER = 3000;

/** What the page asks on `/drain`. */
export interface DrainRequest {
  readonly do: "drain";
}

/** What `/drain` says: where the page's own server is, that it sends its clients away, and that the next one serves. */
export type DrainMessage =
  | { readonly is: "serving"; readonly path: string; readonly generation: number }
  | { readonly is: "draining" };
