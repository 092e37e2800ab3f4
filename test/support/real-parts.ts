/**
 * The programs that nobody here wrote and that tests run against: browsers, brokers, proxies, foreign servers.
 *
 * On a developer's machine a missing program skips its tests; under CI it fails them, so that a green run there means
 * that every one of them was really tried. `.ci/run` installs what the table names.
 */
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, test } from "vitest";

/** The parts by the name of their Debian package, with the executable that each brings. */
export const realParts = {
  chromium: "chromium",
  "firefox-esr": "firefox-esr",
  "golang-github-gorilla-websocket-dev": "go",
  "golang-go": "go",
  haproxy: "haproxy",
  iproute2: "ip",
  iptables: "iptables",
  microsocks: "microsocks",
  mosquitto: "mosquitto",
  "nats-server": "nats-server",
  nginx: "nginx",
  "python3-prometheus-client": "/usr/bin/python3",
  "python3-websockets": "/usr/bin/python3",
  "redis-server": "redis-server",
  tinyproxy: "tinyproxy",
} as const satisfies Record<string, string>;

/** What Python's parts are imported as. */
const pythonModules: Readonly<Record<string, string>> = {
  "python3-prometheus-client": "prometheus_client",
  "python3-websockets": "websockets",
};

/** The name of a part: its Debian package. */
export type RealPart = keyof typeof realParts;

/**
 * Returns the path of the part's executable, or that which the environment names in its place, such as
 * `OPENLINE_NATS_SERVER`; or `undefined` when it is not installed and the run may skip it; throws
 * when it is not installed and `CI` is set. For a library it is the program that uses it.
 */
export function realPart(part: RealPart): string | undefined {
  const path = process.env[`OPENLINE_${part.toUpperCase().replaceAll("-", "_")}`] ?? find(realParts[part]);
  if (path !== undefined && hasLibrary(part, path)) return path;
  if (process.env.CI) throw new Error(`Cannot test with ${part}: it is not installed, and CI skips nothing`);
  return undefined;
}

/** `describe` with the part's executable at hand; skipped, by name, where {@link realPart} allows it to be missing. */
export function describeWith(part: RealPart, title: string, body: (executable: string) => void): void {
  const executable = realPart(part);
  if (executable !== undefined) describe(title, () => body(executable));
  else test.skip(`${title}: ${part} is not installed`);
}

function find(command: string): string | undefined {
  // Debian puts servers in sbin, which an ordinary user's PATH leaves out.
  const folders = command.startsWith("/") ? [""] : [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  return folders.map((folder) => join(folder, command)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where Debian puts the source of Go's libraries: a GOPATH. */
export const debianGoPath = "/usr/share/gocode";

function hasLibrary(part: RealPart, executable: string): boolean {
  if (part === "golang-github-gorilla-websocket-dev") {
    return existsSync(join(debianGoPath, "src/github.com/gorilla/websocket"));
  }
  const module = pythonModules[part];
  return module === undefined || canImport(executable, module);
}

function canImport(python: string, module: string): boolean {
  try {
    execFileSync(python, ["-c", `import ${module}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
