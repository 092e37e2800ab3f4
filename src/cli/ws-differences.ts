/** What of `ws` is different under `openline/ws`, as far as it can be found in a line of source. */

/** A difference, and how it shows in a program. */
export interface Difference {
  readonly pattern: RegExp;
  /** What changes, to be read behind the place. */
  readonly change: string;
}

/** The table; the guide on moving from `ws` says why. */
export const differences: readonly Difference[] = [
  {
    pattern: /\b(?:maxPendingAutoPongs|maxFragments|maxBufferedChunks)\b/,
    change: "has no effect: the memory that it bounds is not used",
  },
  {
    pattern: /\b(?:zlibInflateOptions|concurrencyLimit)\b/,
    change: "has no effect: connections have no zlib contexts of their own",
  },
  { pattern: /\bmask\s*:/, change: "has no effect on send: a client masks each frame, a server none" },
  {
    pattern: /\bbinaryType\b.*\bfragments\b/,
    change: "gives a message as one piece, however many frames it came in",
  },
  {
    pattern: /["'`]ws\/lib\//,
    change: "is not there: Receiver, Sender, PerMessageDeflate, extension and subprotocol are exports",
  },
  { pattern: /\b(?:bufferutil|utf-8-validate|WS_NO_\w+)\b/, change: "is not looked at: it may go" },
  {
    pattern: /\._receiver\b/,
    change: "has `conclude` and the limit, but is no Receiver",
  },
  { pattern: /\._sender\b/, change: "has `sendFrame`, but is no Sender" },
  {
    pattern: /\b(?:_closeTimer|_bufferedAmount|_errorEmitted|_closeTimeout|completeUpgrade)\b/,
    change: "is private to ws and not there",
  },
  {
    pattern: /\b_socket\s*\??\.\s*(?:write|pipe|on\(\s*["'`](?:data|readable|drain)["'`])/,
    change: "works, and makes this connection somewhat slower from then on",
  },
];

/** What becomes of entries of a package.json, by name. */
export const packages: Readonly<Record<string, string>> = {
  ws: "can go where nothing else needs it",
  "@types/ws": "can go: openline/ws brings its types",
  bufferutil: "can go: nothing looks at it",
  "utf-8-validate": "can go: nothing looks at it",
};
