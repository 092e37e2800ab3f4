/** The package as `npm pack` makes it, also unpacked where a program finds it by its name. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const shell = process.platform === "win32";

/** Packs the package, which must be built, into a fresh folder of that name in .cache/; returns the tarball's path. */
export function pack(name: string): string {
  const folder = join(root, ".cache", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
    shell,
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  return join(folder, filename);
}

/** Packs the package, and unpacks it into `node_modules/openline` of that folder, whose path is returned. */
export function unpackInto(name: string): string {
  const tarball = pack(name);
  const folder = dirname(tarball);
  const target = join(folder, "node_modules/openline");
  mkdirSync(target, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", target, "--strip-components=1"]);
  return folder;
}

/** Installs the packages of a folder such as `integrations/jest`, unless they are there. */
export function install(folder: string): void {
  execFileSync(process.execPath, [join(root, "scripts/setup.mjs"), "install", folder], { cwd: root });
}

/** Installs the packages of `integrations/bundlers`, unless they are there, and returns the folder. */
export function installBundlers(): string {
  install("integrations/bundlers");
  return join(root, "integrations/bundlers");
}
