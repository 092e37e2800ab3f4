/**
 * The runtimes that the tests run on beside the oldest Node: which of their tests `npm run ok` runs on each, and what
 * each cannot do.
 *
 * A test that asks of a runtime what it cannot do is skipped there, and only for a reason in `lacks`; docs/runtimes.md is
 * made from it.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A runtime by its name, as `process.versions` has it. */
export type Runtime = "node" | "bun" | "deno";

/** How prose writes each name. */
export const runtimeNames: Readonly<Record<Runtime, string>> = { node: "Node", bun: "Bun", deno: "Deno" };

/** The tests of what rests on the runtime: its sockets, HTTP servers, zlib, timers, memory and module loaders. */
const ofTheRuntime = [
  "test/{transport,workers}/**/*.test.ts",
  "test/server/{handshake,listening}/**/*.test.ts",
  "test/client/dialing/**/*.test.ts",
  "test/client/{client-handshake,connect,connect-aborts,connect-peers,redirect}.test.ts",
  "test/connection/event-loop/**/*.test.ts",
  "test/connection/compression/{compressed,zlib}*.test.ts",
  "test/connection/receiving/gc-hints.test.ts",
  "test/protocol/messages/free-memory.test.ts",
  "test/ws/*.test.ts",
  "test/faults/{c05,c12,d01,d06,d19}*.test.ts",
  "test/integrations/instances.test.ts",
];

/** Some of the tests: whole folders of `test/`, and files. */
export interface Selection {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

const ofTheProtocol: Selection = { folders: ["protocol", "connection", "client", "server", "topics"], files: [] };

/** The tests that run on each on every commit; on Node, `npm run ok -- --all` runs all there are. */
export const selections: Readonly<Record<Runtime, Selection>> = {
  node: { folders: [], files: ofTheRuntime },
  bun: ofTheProtocol,
  deno: ofTheProtocol,
};

/** The versions of Bun and Deno, which npm installs into `integrations/runtimes`. */
export function pinnedVersion(runtime: Exclude<Runtime, "node">): string {
  const path = fileURLToPath(new URL("../integrations/runtimes/package.json", import.meta.url));
  const { devDependencies } = JSON.parse(readFileSync(path, "utf8")) as { devDependencies: Record<string, string> };
  return devDependencies[runtime]!;
}

/** Something that runtimes cannot do, or do otherwise. */
export interface Lack {
  readonly runtimes: readonly Runtime[];
  /** What it is, as the page says it. */
  readonly what: string;
  /** The tests that ask for it: a file of `test/`, and behind ` > ` words of one title if it is not the whole file. */
  readonly tests: readonly string[];
}

/** Every reason for which a test is skipped on a runtime. */
export const lacks: readonly Lack[] = [
  {
    runtimes: ["bun", "deno"],
    what: "Connections on bare handles: each is on a socket of `node:net`",
    tests: [
      "server/listening/accepted-handles.test.ts",
      "server/handshake/opening.test.ts > a handle answers, and goes on both ways",
      "server/handshake/bare-request.test.ts > a route with `upgrade`, on bare handles",
    ],
  },
  {
    runtimes: ["bun", "deno"],
    what: "Passing open sockets from process to process, and sharing a port by `node:cluster`",
    tests: ["server/listening/passed-sockets.test.ts", "server/listening/cluster.test.ts"],
  },
  {
    runtimes: ["bun", "deno"],
    what: "Listening on a socket that the parent hands over, `listenOptions.fd`: another port is taken, or none",
    tests: ["server/listening/listener.test.ts > listens on a file descriptor of its parent's"],
  },
  {
    runtimes: ["bun"],
    what: "Reads into one shared buffer: `borrow` lends a copy",
    tests: [
      "connection/receiving/borrow.test.ts > the handler sees each message where it was read",
      "connection/receiving/borrow.test.ts > text as bytes is lent as well",
      "connection/receiving/borrow.test.ts > control: what is lent changes with the next read",
      "connection/receiving/borrow.test.ts > who listens to the channel of messages gets a copy",
      "connection/receiving/borrow.test.ts > a lent message of more than 64 KiB",
      "connection/receiving/borrow.test.ts > holds for a route and for connect",
      "connection/receiving/message-pump.test.ts > over reads that are shared",
    ],
  },
  {
    runtimes: ["bun"],
    what: "`proxyProtocol`: HTTP servers read their own sockets, so `serve` throws",
    tests: [
      "server/listening/proxy-protocol.test.ts",
      "server/listening/proxy-header.test.ts > reads every IPv4 and IPv6 address that was written",
    ],
  },
  {
    runtimes: ["bun"],
    what: "Opening handshakes that are answered without `node:http`: each takes its parser",
    tests: [
      "server/listening/fast-handshake.test.ts > answers a head that comes in one piece",
      "server/listening/tls-handshakes.test.ts",
    ],
  },
  {
    runtimes: ["deno"],
    what: "Negotiating anew over TLS 1.2",
    tests: ["server/listening/tls-handshakes.test.ts > may negotiate anew"],
  },
  {
    runtimes: ["bun"],
    what: "`setSecureContext`: HTTPS servers keep the certificate that they began with, and it throws",
    tests: ["server/listening/secure-context.test.ts"],
  },
  {
    runtimes: ["bun"],
    what: "More than about 100 header fields in a request, HTTP versions above 1.1, and a URL of `ws:` as the target: Bun's parser answers first",
    tests: [
      "server/handshake/deployed-clients.test.ts > cookies in fields of their own [C01] maxHeaderFields",
      "server/handshake/deployed-clients.test.ts > cookies in fields of their own [C01] without a limit",
      "server/handshake/deployed-clients.test.ts > GET ws://localhost/",
      "server/handshake/deployed-clients.test.ts > GET ws://localhost:9998/",
      "server/handshake/deployed-clients.test.ts > GET WSS://",
      "server/handshake/server-handshake.test.ts > too many fields",
      "server/handshake/raw-handshake.test.ts > a higher version of HTTP",
    ],
  },
  {
    runtimes: ["bun"],
    what: "Noticing that another listener of `upgrade` has written to the socket: a path belongs to one of them",
    tests: ["server/handshake/claim.test.ts"],
  },
  {
    runtimes: ["bun"],
    what: "Ending idle plain connections when the server closes: they stay until their peers leave",
    tests: ["server/live-connections.test.ts > is not held up by kept-alive plain connections"],
  },
  {
    runtimes: ["bun"],
    what: "Over TLS, output that waits for a slow reader is not seen to move, and a client that never begins TLS is not cut off",
    tests: [
      "server/listening/tls.test.ts > a peer that reads slowly",
      "server/listening/tls.test.ts > a client that never begins TLS",
      "connection/sending/write-timeout.test.ts > a peer that reads slowly is not dead",
    ],
  },
  {
    runtimes: ["deno"],
    what: "`bufferedAmount` and write timeouts do not see how much of a long write the system has taken",
    tests: [
      "connection/sending/write-timeout.test.ts > a peer that reads slowly is not dead",
      "server/listening/tls.test.ts > a peer that reads slowly",
      "client/whatwg/websocket-ends.test.ts > the unsent bytes of a lost connection stay counted",
      "client/whatwg/websocket-stream.test.ts > a write that is pending when the server closes",
    ],
  },
  {
    runtimes: ["deno"],
    what: "Compressors that make use of a history: with context takeover messages are as long as without it",
    tests: [
      "connection/compression/message-deflate.test.ts > connections whose contexts had to go carry on",
      "connection/compression/zlib-context.test.ts > has seen its dictionary",
      "connection/compression/zlib-context.test.ts > ask for the history only when they are made",
      "connection/compression/zlib-one-shot.test.ts > refers to its history",
      "connection/compression/zlib-one-shot.test.ts > is compressed and inflated at once, with its history",
    ],
  },
  {
    runtimes: ["deno"],
    what: "`AsyncLocalStorage.enterWith` for one connection alone: a store that `upgrade` enters may be seen by later ones",
    tests: ["connection/handlers/handlers-in-context.test.ts > a store that a handler enters"],
  },
  {
    runtimes: ["deno"],
    what: "zlib on other threads: a long message is compressed and inflated in one go, and nothing comes in between",
    tests: [
      "connection/compression/compressed-messages.test.ts > while a message is inflated elsewhere",
      "connection/closing/handled.test.ts > after a message that was inflated elsewhere",
    ],
  },
  {
    runtimes: ["bun", "deno"],
    what: "Sockets that are read between two timers or immediates that are due, so that long work is cut up for them",
    tests: [
      "connection/event-loop/timer-wheel.test.ts > what came while the process was stopped",
      "topics/topics-over-sockets.test.ts > a publish to very many does not hold up",
    ],
  },
  {
    runtimes: ["bun", "deno"],
    what: "Output that waits where it was written from: their sockets copy it",
    tests: ["connection/sending/lent-output.test.ts > control: memory that is used again"],
  },
  {
    runtimes: ["deno"],
    what: "The event `exit` where an exception ends the process: what was sent in that turn is lost",
    tests: ["connection/sending/sent-at-exit.test.ts > behind an exception"],
  },
  {
    runtimes: ["deno"],
    what: "Bytes that came right before a reset",
    tests: [
      "client/connect-failures.test.ts > the part that came of a refusal's body that is reset",
      "connection/closing/handled.test.ts > resolves while a handler hangs",
      "server/handshake/raw-handshake.test.ts > refuses a head beyond 16 KiB",
    ],
  },
  {
    runtimes: ["deno"],
    what: "`CloseEvent` is the runtime's own, with its own conversions",
    tests: ["client/whatwg/events.test.ts"],
  },
  {
    runtimes: ["deno"],
    what: "A certificate without its key is noticed when a client comes, not by `setSecureContext`",
    tests: [
      "server/listening/secure-context.test.ts > a key of another certificate",
      "server/listening/secure-context.test.ts > no certificate",
    ],
  },
  {
    runtimes: ["bun", "deno"],
    what: "The words and details of other layers: OpenSSL's for a handshake that failed, the system's for an address",
    tests: [
      "client/dialing/secure.test.ts > a server over TLS",
      "server/listening/listener.test.ts > serve rejects for an address of another machine",
    ],
  },
  {
    runtimes: ["bun"],
    what: "The system's code where nothing listens at a port or path",
    tests: ["server/listening/listener.test.ts > serve rejects for a taken port"],
  },
  {
    runtimes: ["bun"],
    what: "`reusePort` of `listenOptions`",
    tests: ["server/listening/listener.test.ts > two servers listen on one port"],
  },
  {
    runtimes: ["bun"],
    what: "The caller's frame in a stack where the call was the last thing that a function did",
    tests: ["client/caller.test.ts > the frames are those above the call", "client/dialing/failure-words.test.ts"],
  },
  {
    runtimes: ["deno"],
    what: "The bytes that HTTP has written to a socket before its upgrade are not counted",
    tests: ["server/handshake/claim.test.ts > whose bytes are counted, is still free to claim"],
  },
  {
    runtimes: ["deno"],
    what: "Node's permission model: Deno has its own flags, and asks for the same",
    tests: ["server/listening/open-file-limit.test.ts > under Node's permission model"],
  },
  {
    runtimes: ["deno"],
    what: "An exception of a listener of `node:http` does not end the process without the guard either",
    tests: ["server/listening/request-listener.test.ts > control: without a guard"],
  },
  {
    runtimes: ["bun"],
    what: "A queue of connections that is full, which the tests of slow addresses need",
    tests: [
      "client/dialing/race.test.ts > are tried beside a slow one",
      "client/dialing/race.test.ts > are all given up with the handshake",
    ],
  },
  {
    runtimes: ["deno"],
    what: "A module as the text of `--eval`",
    tests: ["protocol/messages/free-memory.test.ts > memory that is there, which the system would have to find again"],
  },
  {
    runtimes: ["bun"],
    what: "Memory that the system takes back when it is freed: Bun's allocator keeps it by itself",
    tests: ["protocol/messages/free-memory.test.ts > memory that is there, which the system would have to find again"],
  },
  {
    runtimes: ["bun"],
    what: "The type of a `Response` made of a string, where it was given none",
    tests: ["server/handshake/refused.test.ts > a Response gives its status"],
  },
  {
    runtimes: ["bun", "deno"],
    what: "Memory and garbage are counted and collected otherwise: bounds on bytes are Node's",
    tests: [
      "server/load/costs.test.ts",
      "protocol/messages/free-memory.test.ts > freeMemory of 256 MiB",
      "protocol/endpoint/handed-out-memory.test.ts > what a borrowed chunk or pooled memory held",
      "connection/receiving/gc-hints.test.ts > sets off collections of young objects",
      "protocol/messages/free-memory.test.ts > by whatever the runtime has; transfers: false",
      "protocol/frames/frame-decoder.test.ts > share at most 4 KiB of text",
      "client/one-signal.test.ts > leaves nothing with the signal",
      "connection/compression/zlib-one-shot.test.ts > memory of a process",
      "connection/sending/outbox.test.ts > the control: outputs that nothing makes smaller",
    ],
  },
];

/** The reason why a test is skipped on a runtime, if there is one; `title` has those of its suites before its own. */
export function lackOf(runtime: Runtime, file: string, title: string): Lack | undefined {
  return lacks.find(
    ({ runtimes, tests }) => runtimes.includes(runtime) && tests.some((test) => names(test, file, title)),
  );
}

/** Whether an entry of a lack's `tests` means the test. */
export function names(entry: string, file: string, title: string): boolean {
  const [path = "", words] = entry.split(" > ");
  return file === `test/${path}` && (words === undefined || title.includes(words));
}
