/**
 * Compiles a program against the declarations as packed, and nothing else of this repository, as users of each TypeScript
 * do: with its own defaults, both ways to resolve modules, and declarations checked too (`skipLibCheck` off).
 *
 * TypeScript from 6.0 on has `types: []` by default, so that the declarations themselves must ask for those of Node; those
 * of `openline/protocol` must do without them, and those of `openline/browser` with those of either Node or the DOM.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = join(root, "integrations/types");

/** A compiler, the declarations of a runtime beside it, and how modules are resolved. */
export interface Surroundings {
  readonly typescript: string;
  /** The version of Node, or `page` for the DOM; without either, `openline/protocol` is compiled alone. */
  readonly runtime: string | undefined;
  readonly resolution: "nodenext" | "bundler";
}

/** The oldest and the newest of each; the newest declarations of Node want TypeScript 5.6 or later themselves. */
export const all: readonly Surroundings[] = (
  [
    ["5.4", "20"],
    ["5.9", "24"],
    ["6.0", "26"],
    ["7.0", "20"],
    ["7.0", "26"],
    ["5.4", "page"],
    ["7.0", "page"],
    ["5.4", undefined],
    ["7.0", undefined],
  ] as const
).flatMap(([typescript, runtime]) =>
  (["nodenext", "bundler"] as const).map((resolution) => ({ typescript, runtime, resolution })),
);

/** Each package.json and the declarations that `npm pack` would put into the package, by their paths. */
export function packedDeclarations(): ReadonlyMap<string, string> {
  const shell = process.platform === "win32";
  const packed = execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: root, encoding: "utf8", shell });
  const [{ files }] = JSON.parse(packed) as [{ files: readonly { path: string }[] }];
  const paths = files.map(({ path }) => path).filter((path) => path.endsWith("package.json") || path.endsWith(".d.ts"));
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

/** Installs the compilers and the declarations of Node, unless they are there. */
export function installCompilers(): void {
  execFileSync(process.execPath, [join(root, "scripts/setup.mjs"), "install", "integrations/types"], { cwd: root });
}

/** What the compiler complains about in the surroundings; empty when nothing. */
export async function complaints(
  { typescript, runtime, resolution }: Surroundings,
  files: ReadonlyMap<string, string>,
): Promise<string> {
  const isPage = runtime === "page";
  const node = isPage ? undefined : runtime;
  const beside = isPage ? "a page" : node === undefined ? "no Node" : `Node ${node}`;
  const name = `TypeScript ${typescript}, ${beside}, ${resolution}`;
  const folder = join(root, ".cache/declarations", name.replaceAll(/[ ,.]+/g, "-"));
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of files) {
    const target = join(folder, "node_modules/openline", path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  const programs = ["exports.ts"];
  const entries = ["openline/protocol"];
  if (node !== undefined) {
    mkdirSync(join(folder, "node_modules/@types"));
    symlinkSync(join(tools, `node_modules/types-node-${node}`), join(folder, "node_modules/@types/node"), "junction");
    writeFileSync(join(folder, "program.ts"), readFileSync(join(tools, "program.ts")));
    for (const name of resolution === "nodenext" ? ["ws.ts", "ws-required.cts"] : ["ws.ts"]) {
      writeFileSync(join(folder, name), readFileSync(join(tools, name)));
      programs.push(name);
    }
    programs.push("program.ts");
    entries.push("openline", "openline/browser", "openline/browser/json", "openline/json", "openline/testing");
    entries.push("openline/cluster", "openline/cluster/redis", "openline/resume", "openline/workers");
  }
  // The declarations of Node 20 have no WebSocket, which those of NATS's own client name.
  if (node !== undefined && node !== "20") {
    writeFileSync(join(folder, "global-websocket.ts"), readFileSync(join(tools, "global-websocket.ts")));
    programs.push("global-websocket.ts");
    entries.push("openline/cluster/nats");
  }
  if (isPage) {
    writeFileSync(join(folder, "page.ts"), readFileSync(join(tools, "page.ts")));
    programs.push("page.ts");
    entries.push("openline/browser", "openline/browser/json", "openline/resume");
  }
  writeFileSync(join(folder, "exports.ts"), entries.map((entry) => reexport(entry, files)).join(""));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  const compilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    target: "es2022",
    lib: isPage ? ["es2022", "dom"] : ["es2022"],
    module: resolution === "nodenext" ? "nodenext" : "esnext",
    moduleResolution: resolution,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: programs }));
  const tsc = join(tools, `node_modules/typescript-${typescript}/bin/tsc`);
  const child = spawn(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const text of child.stdout.setEncoding("utf8")) output += text;
  return output === "" ? "" : `${name}:\n${output}`;
}

/** Exports every name of an entry under another one, so that the compiler has to find each. */
function reexport(entry: string, files: ReadonlyMap<string, string>): string {
  const { exports } = JSON.parse(files.get("package.json")!) as {
    exports: Record<string, { import: { types: string } }>;
  };
  const path = exports[entry.replace("openline", ".")]!.import.types.replace("./", "");
  const lists = [...files.get(path)!.matchAll(/^export (type )?\{([^}]*)\}/gm)];
  const names = lists.flatMap(([, , list = ""]) => list.split(",")).map((name) => name.replace(/\btype\b/, "").trim());
  const prefix = entry.replace(/\W/g, "_");
  const listed = names.filter((name) => name !== "").map((name) => `${name} as ${prefix}_${name}`);
  return `export type { ${listed.join(", ")} } from "${entry}";\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  installCompilers();
  const files = packedDeclarations();
  const waiting = [...all];
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const found = await complaints(next, files);
        if (found === "") continue;
        console.error(found);
        process.exitCode = 1;
      }
    }),
  );
  console.log(`${all.length} programs compiled against the packed declarations`);
}
