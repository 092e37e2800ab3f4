/**
 * Compiles `kernels/` to WebAssembly and writes each module's bytes, in base64, into a file of `src/protocol/`; with
 * `--check`, the gate `kernels`, fails when these are not what is committed.
 *
 * The compiler is that of `kernels/package-lock.json`, which makes the same bytes of the same source everywhere.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** The folders of `kernels/`, and the file for the bytes of each. */
const modules: Readonly<Record<string, string>> = {
  deflate: "src/protocol/deflate/module.ts",
  mask: "src/protocol/frames/mask-module.ts",
};
const mostInLine = 114;

/** The bytes of the module whose source is `kernels/<name>/index.ts`. */
export function compileKernel(name: string): Buffer {
  execFileSync(process.execPath, [join(root, "scripts/setup.mjs"), "install", "kernels"], { cwd: root });
  const output = join(root, `.cache/kernels/${name}.wasm`);
  mkdirSync(join(root, ".cache/kernels"), { recursive: true });
  const compiler = "kernels/node_modules/assemblyscript/bin/asc.js";
  // No collector, no memory that grows, and the data that is known beforehand below all addresses of the source.
  const options = ["--runtime", "stub", "--initialMemory", "4", "--maximumMemory", "4", "--memoryBase", "16"];
  const source = `kernels/${name}/index.ts`;
  const features = name === "mask" ? ["--enable", "simd"] : [];
  execFileSync(
    process.execPath,
    [compiler, source, "-O3", "--noAssert", ...features, ...options, "--outFile", output],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  return readFileSync(output);
}

/** The text of the file that holds a module's bytes. */
export function moduleText(name: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(new RegExp(`.{1,${mostInLine}}`, "g")) ?? [];
  return `/** The WebAssembly module in base64; scripts/kernels.ts makes it of kernels/${name}/. */
export const moduleBase64: string =
${lines.map((line) => `  "${line}"`).join(" +\n")};
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, file] of Object.entries(modules)) {
    const text = moduleText(name, compileKernel(name));
    const path = join(root, file);
    if (!process.argv.includes("--check")) writeFileSync(path, text);
    else if (readFileSync(path, "utf8").replaceAll("\r\n", "\n") !== text) {
      console.error(`${file} is not what kernels/${name}/ compiles to: npx tsx scripts/kernels.ts writes it`);
      process.exitCode = 1;
    }
  }
}
