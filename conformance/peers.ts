/**
 * The peers the suite knows how to start, for `--peer`: rivals of the field and our own library.
 *
 * A server program prints its URL and echoes; a client program gets the URL and echoes, connection after connection.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { typescriptProgram } from "../scripts/typescript-program.ts";
import type { Role } from "./judge/observation.ts";

/** A peer that can be started. */
export interface Peer {
  /** Name of the library, the same in both roles. */
  readonly name: string;
  readonly role: Role;
  readonly command: readonly string[];
  /** Its version, or `undefined` when it is not installed. */
  readonly version: () => string | undefined;
  /** The same library set up otherwise; left out of `all`. */
  readonly variant?: boolean;
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const require = createRequire(new URL("peers/rivals/", import.meta.url));
const python = ["env", `PYTHONPATH=${fileURLToPath(new URL(".cache/python", import.meta.url))}`, "python3"];
const gorilla = here(".cache/gorilla-echo");

const npm = (name: string) => (): string | undefined =>
  attempt(() => (require(`${name}/package.json`) as { version: string }).version);
const npmFile = (name: string) => (): string | undefined => {
  const path = here(`peers/rivals/node_modules/${name}/package.json`);
  return existsSync(path) ? (require(path) as { version: string }).version : undefined;
};
const openline = (): string | undefined =>
  existsSync(here("../dist/index.js")) ? (require(here("../package.json")) as { version: string }).version : undefined;
const websockets = (): string | undefined =>
  attempt(() => run("env", ...python.slice(1), "-c", "import importlib.metadata as m; print(m.version('websockets'))"));
const node = process.execPath;
const typescript = (path: string): readonly string[] => [node, ...typescriptProgram(here(path))];

/** All peers, ours first. */
export const PEERS: readonly Peer[] = [
  { name: "openline", role: "server", command: typescript("peers/openline-server.ts"), version: openline },
  {
    name: "openline",
    role: "client",
    command: [...typescript("peers/openline-client.ts"), "{url}"],
    version: openline,
  },
  ...(["server", "client"] as const).map((role) => ({
    name: "openline-takeover",
    role,
    command: [...typescript(`peers/openline-${role}.ts`), role === "client" ? "{url}" : "", "takeover"],
    version: openline,
    variant: true,
  })),
  { name: "ws", role: "server", command: [node, here("peers/rivals/ws-server.mjs")], version: npm("ws") },
  { name: "ws", role: "client", command: [node, here("peers/rivals/ws-client.mjs"), "{url}"], version: npm("ws") },
  {
    name: "undici",
    role: "client",
    command: [node, here("peers/rivals/undici-client.mjs"), "{url}"],
    version: npm("undici"),
  },
  { name: "websockets", role: "server", command: [...python, here("peers/websockets-server.py")], version: websockets },
  {
    name: "websockets",
    role: "client",
    command: [...python, here("peers/websockets-client.py"), "{url}"],
    version: websockets,
  },
  { name: "gorilla", role: "server", command: [gorilla], version: () => (existsSync(gorilla) ? "1.5.3" : undefined) },
  {
    name: "bun",
    role: "server",
    command: [here("peers/rivals/node_modules/.bin/bun"), here("peers/rivals/bun-server.mjs")],
    version: npmFile("bun"),
  },
  {
    name: "bun",
    role: "client",
    command: [here("peers/rivals/node_modules/.bin/bun"), here("peers/rivals/bun-client.mjs"), "{url}"],
    version: npmFile("bun"),
  },
];

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

function attempt(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
