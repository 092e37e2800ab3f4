/**
 * What a page pays for: each name of `openline/browser` alone, bundled from the packed package by esbuild, minified, and
 * compressed by brotli, in bytes against its limit.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { installBundlers, unpackInto } from "./packed.ts";

/** What is imported, and the most bytes that it may be. */
export interface SizeLimit {
  /** The entry. Default `openline/browser`. */
  readonly from?: string;
  readonly names: string;
  readonly most: number;
}

/** The limits; `reconnecting` has `connect` in it, and what resumes and decides besides. */
export const sizeLimits: readonly SizeLimit[] = [
  { names: "{ ReconnectingWebSocket }", most: 4096 },
  { names: "{ connect }", most: 1280 },
  { names: "{ reconnecting }", most: 3520 },
  { names: "*", most: 5632 },
  { from: "openline/browser/json", names: "{ json }", most: 2880 },
  { from: "openline/resume", names: "{ resumeTopics }", most: 1600 },
];

interface Esbuild {
  build(options: object): Promise<{ readonly outputFiles: readonly [{ readonly contents: Uint8Array }] }>;
}

/** The bytes of a page that imports these names from an entry, the package being in `folder`. */
export async function sizeOf(names: string, folder: string, from = "openline/browser"): Promise<number> {
  const { build } = createRequire(join(installBundlers(), "package.json"))("esbuild") as Esbuild;
  const { outputFiles } = await build({
    stdin: { contents: `export ${names} from "${from}";`, resolveDir: folder },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  return brotliCompressSync(outputFiles[0].contents).length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = unpackInto("sizes");
  for (const { from, names, most } of sizeLimits) {
    const size = await sizeOf(names, folder, from);
    console.log(`${names.padEnd(26)} ${String(size).padStart(5)} bytes of ${most}`);
    if (size > most) process.exitCode = 1;
  }
}
