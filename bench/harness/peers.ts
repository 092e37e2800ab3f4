/**
 * Whom the figures are for: how each is started, why it may be missing, its version.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, worksHere } from "./processes.ts";

/** The folder `bench/`. */
export const benchFolder: string = fileURLToPath(new URL("../..", import.meta.url));
/** The folder for what is made while measuring. */
export const workFolder: string = fileURLToPath(new URL("../../../.cache/bench/", import.meta.url));

/** One program that a row measures. */
export interface Peer {
  readonly id: string;
  /** As it stands in the tables. */
  readonly title: string;
  /** Its column in the short table. */
  readonly column: "openline" | "ws" | "bun" | "floor" | "bare" | "others";
  readonly command: Command;
  readonly environment?: Readonly<Record<string, string>>;
  /** A raw TCP server: no WebSocket handshake, and what comes back is what was sent. */
  readonly raw?: boolean;
  /** What its clients speak, where the load speaks for several. */
  readonly dialect?: string;
  /** Measured with `--all` only. */
  readonly extra?: boolean;
  /** Makes it ready to start; the reason when it cannot be measured here. */
  prepare?(): string | undefined;
  version?(): string;
}

const node: Command = [process.execPath, "--expose-gc"];
const bunProgram = `${benchFolder}node_modules/.bin/bun`;
const gorillaFolder = `${benchFolder}servers/gorilla`;

const openlineVersion = (): string => packageVersion(`${benchFolder}..`);
const wsVersion = (): string =>
  `${packageVersion(`${benchFolder}node_modules/ws`)}, bufferutil ${packageVersion(`${benchFolder}node_modules/bufferutil`)}`;
const plainWsVersion = (): string => packageVersion(`${benchFolder}node_modules/ws`);
const undiciVersion = (): string => packageVersion(`${benchFolder}node_modules/undici`);
const bunVersion = (): string => execFileSync(bunProgram, ["--version"], { encoding: "utf8" }).trim();
const findBun = (): string | undefined => (worksHere(bunProgram, ["--version"]) ? undefined : "bun does not run here");

/** The servers. */
export const servers = {
  openline: {
    id: "openline",
    title: "openline",
    column: "openline",
    command: nodeProgram("servers/openline"),
    version: openlineVersion,
  },
  attached: {
    id: "openline-attached",
    title: "openline on a server of node:http",
    column: "openline",
    command: nodeProgram("servers/openline"),
    environment: { BENCH_SHARED: "1" },
    version: openlineVersion,
  },
  upgrading: {
    id: "openline-upgrading",
    title: "openline with `upgrade`",
    column: "openline",
    command: nodeProgram("servers/openline"),
    environment: { BENCH_UPGRADE: "1" },
    version: openlineVersion,
  },
  borrowing: {
    id: "openline-borrowing",
    title: "openline with `borrow`",
    column: "openline",
    command: nodeProgram("servers/openline"),
    environment: { BENCH_BORROW: "1" },
    version: openlineVersion,
  },
  ws: {
    id: "ws",
    title: "ws with its addon",
    column: "ws",
    command: nodeProgram("servers/ws"),
    version: wsVersion,
  },
  facade: {
    id: "openline-ws",
    title: "openline/ws",
    column: "openline",
    command: nodeProgram("servers/ws"),
    environment: { BENCH_FACADE: "1" },
    version: openlineVersion,
  },
  bun: {
    id: "bun",
    title: "Bun.serve",
    column: "bun",
    command: [bunProgram, `${benchFolder}dist/servers/bun.js`],
    prepare: findBun,
    version: bunVersion,
  },
  floorData: {
    id: "floor-data",
    title: "raw sockets, data events",
    column: "floor",
    command: nodeProgram("servers/floor", "data"),
    raw: true,
  },
  floorOnread: {
    id: "floor-onread",
    title: "raw sockets, onread buffer",
    column: "floor",
    command: nodeProgram("servers/floor", "onread"),
    raw: true,
  },
  floorHandshake: {
    id: "floor-accept",
    title: "raw sockets, constant answers",
    column: "floor",
    command: nodeProgram("servers/floor", "handshake"),
    raw: true,
  },
  bare: {
    id: "bare-handles",
    title: "bare TCP handles",
    column: "bare",
    command: nodeProgram("servers/bare"),
    raw: true,
  },
  plainWs: {
    id: "ws-plain",
    title: "ws without its addon",
    column: "others",
    command: nodeProgram("servers/ws"),
    environment: { BENCH_WITHOUT_ADDON: "1" },
    extra: true,
    version: plainWsVersion,
  },
  gorilla: {
    id: "gorilla",
    title: "gorilla/websocket",
    column: "others",
    command: [`${workFolder}gorilla`],
    environment: { GOMAXPROCS: "1" },
    extra: true,
    prepare: buildGorilla,
    version: gorillaVersion,
  },
} satisfies Record<string, Peer>;

const unchecked = `${workFolder}unchecked`;

/** openline watched in one way or another, and with nothing in it that could be watched message by message. */
export const watched = {
  channels: {
    ...servers.openline,
    id: "channels",
    title: "openline with all channels",
    environment: { BENCH_WATCH: "channels" },
  },
  log: { ...servers.openline, id: "log", title: "openline with log", environment: { BENCH_WATCH: "log" } },
  metrics: {
    ...servers.openline,
    id: "metrics",
    title: "openline with metrics",
    environment: { BENCH_WATCH: "metrics" },
  },
  unchecked: {
    ...servers.openline,
    id: "unchecked",
    title: "openline without the check",
    environment: { OPENLINE_DIST: unchecked },
    prepare: buildUnchecked,
  },
} satisfies Record<string, Peer>;

/** The clients, each a program of its own. */
export const clients = {
  connect: {
    id: "connect",
    title: "openline connect",
    column: "openline",
    command: nodeProgram("clients/client", "connect"),
    version: openlineVersion,
  },
  websocket: {
    id: "websocket",
    title: "openline WebSocket",
    column: "openline",
    command: nodeProgram("clients/client", "websocket"),
    version: openlineVersion,
  },
  ws: {
    id: "ws-client",
    title: "ws client with its addon",
    column: "ws",
    command: nodeProgram("clients/client", "ws"),
    version: wsVersion,
  },
  undici: {
    id: "undici",
    title: "undici WebSocket",
    column: "others",
    command: nodeProgram("clients/client", "undici"),
    version: undiciVersion,
  },
  node: {
    id: "node",
    title: "Node's own WebSocket",
    column: "others",
    command: nodeProgram("clients/client", "global"),
    extra: true,
    version: () => process.versions.node,
  },
  bun: {
    id: "bun-client",
    title: "Bun's WebSocket",
    column: "bun",
    command: [bunProgram, `${benchFolder}dist/clients/client.js`, "global"],
    extra: true,
    prepare: findBun,
    version: bunVersion,
  },
} satisfies Record<string, Peer>;

const centrifugoVersion = "6.9.1";
const centrifugoProgram = `${workFolder}centrifugo-${centrifugoVersion}/centrifugo`;
const versionOf = (...names: string[]): string =>
  names.map((name) => `${name} ${packageVersion(`${benchFolder}node_modules/${name}`)}`).join(", ");

/** Nodes over Redis; those that keep a history say so. */
export const nodes = {
  openline: {
    id: "openline",
    title: "openline over Redis",
    column: "openline",
    command: nodeProgram("servers/nodes/openline"),
    dialect: "openline",
    prepare: findRedis,
    version: () => `${openlineVersion()}, ${versionOf("redis")}`,
  },
  history: {
    id: "openline-history",
    title: "openline with history",
    column: "openline",
    command: nodeProgram("servers/nodes/openline"),
    environment: { BENCH_HISTORY: "1" },
    dialect: "openline",
    prepare: findRedis,
    version: () => `${openlineVersion()}, ${versionOf("redis")}`,
  },
  socketio: {
    id: "socket.io-redis",
    title: "socket.io, Redis adapter",
    column: "others",
    command: nodeProgram("servers/nodes/socketio"),
    environment: { BENCH_ADAPTER: "redis" },
    dialect: "socketio",
    prepare: findRedis,
    version: () => versionOf("socket.io", "@socket.io/redis-adapter"),
  },
  streams: {
    id: "socket.io-redis-streams",
    title: "socket.io, Redis-streams adapter",
    column: "others",
    command: nodeProgram("servers/nodes/socketio"),
    environment: { BENCH_ADAPTER: "redis-streams" },
    dialect: "socketio",
    prepare: findRedis,
    version: () => versionOf("socket.io", "@socket.io/redis-streams-adapter"),
  },
  crossws: {
    id: "crossws",
    title: "crossws, sync over Redis",
    column: "others",
    command: nodeProgram("servers/nodes/crossws"),
    dialect: "crossws",
    prepare: findRedis,
    version: () => versionOf("crossws"),
  },
  centrifugo: {
    id: "centrifugo",
    title: "Centrifugo with history",
    column: "others",
    command: nodeProgram("servers/nodes/foreign", "centrifugo", centrifugoProgram),
    environment: { GOMAXPROCS: "1", BENCH_HISTORY: "1" },
    dialect: "centrifugo",
    prepare: () => findRedis() ?? buildCentrifugo(),
    version: () => centrifugoVersion,
  },
} satisfies Record<string, Peer>;

const ownEngine = {
  id: "socket.io",
  title: "socket.io on its engine's ws",
  column: "ws",
  command: nodeProgram("servers/nodes/socketio"),
  environment: { BENCH_ADAPTER: "memory" },
  dialect: "socketio",
  version: () => versionOf("socket.io"),
} satisfies Peer;

/** socket.io without a broker. */
export const engines = {
  ws: ownEngine,
  facade: {
    ...ownEngine,
    id: "socket.io-openline-ws",
    title: "socket.io on openline/ws",
    column: "openline",
    environment: { BENCH_ADAPTER: "memory", BENCH_FACADE: "1" },
    version: () => `${openlineVersion()}, ${versionOf("socket.io")}`,
  },
} satisfies Record<string, Peer>;

/** The broker of all nodes, and the load of their clients. */
export const neutralBroker: Command = nodeProgram("servers/nodes/foreign", "redis", "redis-server");
export const nodesLoad: Command = nodeProgram("clients/nodes");

/** The server that answers the clients. */
export const neutralServer: Command = nodeProgram("servers/neutral");

/** The two sides of a storm. */
export const stormPrograms: { readonly server: Command; readonly client: Command } = {
  server: nodeProgram("storm/server"),
  client: nodeProgram("storm/client"),
};

function nodeProgram(name: string, ...args: string[]): Command {
  return [...node, `${benchFolder}dist/${name}.js`, ...args];
}

function packageVersion(folder: string): string {
  return (JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as { version: string }).version;
}

/** A copy of the build whose connections do not look whether a channel has a listener. */
function buildUnchecked(): string | undefined {
  cpSync(process.env.OPENLINE_DIST ?? `${benchFolder}../dist`, unchecked, { recursive: true });
  const path = `${unchecked}/connection/receiving/message-pump.js`;
  const source = readFileSync(path, "utf8");
  const without = source.replace(/if \(channels\.message\.hasSubscribers\)/, "if (false)");
  writeFileSync(path, without);
  return source === without ? "its look for listeners was not found" : undefined;
}

function buildGorilla(): string | undefined {
  if (!worksHere("go", ["version"])) return "there is no go here";
  try {
    execFileSync("go", ["build", "-o", `${workFolder}gorilla`, "."], { cwd: gorillaFolder, stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `go cannot build it: ${(error as Error).message.split("\n").slice(0, 3).join(" ")}`;
  }
}

function findRedis(): string | undefined {
  return worksHere("redis-server", ["--version"]) ? undefined : "there is no redis-server here";
}

/** Takes minutes, once. */
function buildCentrifugo(): string | undefined {
  if (existsSync(centrifugoProgram)) return undefined;
  if (!worksHere("go", ["version"])) return "there is no go here";
  const module = `github.com/centrifugal/centrifugo/v6@v${centrifugoVersion}`;
  console.log(`Building ${module} …`);
  try {
    const env = { ...process.env, GOBIN: dirname(centrifugoProgram) };
    execFileSync("go", ["install", module], { cwd: workFolder, env, stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `go cannot build it: ${(error as Error).message.split("\n").slice(0, 3).join(" ")}`;
  }
}

function gorillaVersion(): string {
  const version = /gorilla\/websocket v(\S+)/.exec(readFileSync(`${gorillaFolder}/go.mod`, "utf8"))?.[1];
  const go = execFileSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).trim();
  return `${version}, ${go}`;
}
