/** The package as `npm pack` makes it, unpacked where a program finds it by its name. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const shell = process.platform === "win32";

/** Packs the package, which must be built, into `node_modules/openline` of a fresh folder, whose path is returned. */
export function unpackInto(name: string): string {
  const folder = join(root, ".cache", name);
  const target = join(folder, "node_modules/openline");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
    shell,
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  execFileSync("tar", ["-xzf", join(folder, filename), "-C", target, "--strip-components=1"]);
  return folder;
}

/** Installs the packages of `integrations/bundlers`, unless they are there, and returns the folder. */
export function installBundlers(): string {
  execFileSync(process.execPath, [join(root, "scripts/setup.mjs"), "install", "integrations/bundlers"], { cwd: root });
  return join(root, "integrations/bundlers");
}
