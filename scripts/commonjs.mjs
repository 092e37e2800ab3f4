/**
 * Compiles src/ to CommonJS, into dist/cjs/: for loaders that cannot require a module, such as that of Jest.
 *
 * Node never loads it: by the condition `module-sync`, its `require` and its `import` give one instance. It is as small as
 * can be: no comments in the code, no maps, and of the declarations those alone that an entry leads to.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const output = join(root, "dist/cjs");

compile("--declaration", "false", "--isolatedDeclarations", "false", "--removeComments");
compile("--emitDeclarationOnly");
writeFileSync(join(output, "package.json"), '{ "type": "commonjs" }\n');
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const needed = reachable(pathsIn(exports).filter((path) => path.endsWith(".d.ts")));
for (const name of readdirSync(output, { recursive: true })) {
  const path = join(output, name);
  if (path.endsWith(".d.ts") && !needed.has(path)) rmSync(path);
  else if (path.endsWith(".js")) exportWhole(path);
}
// In a page, too, requiring it gives one function. As a module it has no export of that name, which older targets cannot have.
appendFileSync(join(output, "ws/in-pages.js"), "module.exports = exports.default;\n");

function compile(...args) {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.cjs.json", ...args], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(1);
}

/** Has a module that exports the name `module.exports` be that, as it is where Node requires a module. */
function exportWhole(path) {
  const declarations = path.replace(/js$/, "d.ts");
  if (!readFileSync(path, "utf8").includes('exports["module.exports"] =')) return;
  appendFileSync(path, 'module.exports = exports["module.exports"];\n');
  const text = readFileSync(declarations, "utf8");
  const [, name] = text.match(/(\w+) as "module.exports"/);
  // Its other exports are properties of that one, and of the namespace of the same name.
  writeFileSync(declarations, `${text.replace(/^export .*;\n/gm, "")}export = ${name};\n`);
  // TypeScript before 5.6 cannot read that name, and whoever imports needs it not.
  const imported = declarations.replace(output, join(root, "dist"));
  writeFileSync(imported, readFileSync(imported, "utf8").replace(/, \w+ as "module.exports"/, ""));
  // Node requires that export of the module itself; tsx and its like require the namespace, which has it.
  const required = 'const all = require("./index.js");\nmodule.exports = all["module.exports"] ?? all;\n';
  writeFileSync(join(dirname(imported), "index.cjs"), required);
}

/** All files of dist/cjs that a value of package.json names, in whatever conditions. */
function pathsIn(value) {
  if (typeof value === "object") return Object.values(value).flatMap(pathsIn);
  const path = join(root, value);
  return path.startsWith(output) ? [path] : [];
}

/** The declarations, and those that they import. */
function reachable(entries) {
  const found = new Set(entries);
  for (const path of found) {
    for (const [, specifier] of readFileSync(path, "utf8").matchAll(/(?:\bfrom|\bimport\(|\bimport)\s*"(\.[^"]+)"/g)) {
      const target = resolve(dirname(path), specifier.replace(/\.[jt]s$/, ".d.ts"));
      if (!existsSync(target)) throw new Error(`Cannot find ${specifier}, which ${path} imports`);
      found.add(target);
    }
  }
  return found;
}
