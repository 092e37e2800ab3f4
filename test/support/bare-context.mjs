/**
 * Loads modules of the build in contexts that have nothing but the language, and getters that throw for what runtimes have.
 * Needs `--experimental-vm-modules`; prints for each path `ok`, or what was thrown.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import vm from "node:vm";

const globals = [
  ...[
    "window",
    "self",
    "document",
    "navigator",
    "location",
    "performance",
    "WebSocket",
    "EventTarget",
    "Event",
    "Blob",
  ],
  ...["MessageEvent", "CloseEvent", "AbortController", "AbortSignal", "DOMException", "URL", "TextEncoder", "fetch"],
  ...[
    "setTimeout",
    "clearTimeout",
    "queueMicrotask",
    "setImmediate",
    "addEventListener",
    "process",
    "Buffer",
    "console",
  ],
];

/** Evaluates the module at the path, and all that it imports, in a context of its own. */
async function evaluate(path) {
  const sandbox = {};
  for (const name of globals) {
    Object.defineProperty(sandbox, name, {
      get: () => {
        throw new Error(`${name} was touched`);
      },
    });
  }
  const context = vm.createContext(sandbox);
  const modules = new Map();
  const load = (file) => {
    if (!modules.has(file)) {
      modules.set(file, new vm.SourceTextModule(readFileSync(file, "utf8"), { context, identifier: file }));
    }
    return modules.get(file);
  };
  const module = load(resolve(path));
  await module.link((specifier, { identifier }) => load(resolve(dirname(identifier), specifier)));
  await module.evaluate();
}

for (const path of process.argv.slice(2)) {
  const outcome = await evaluate(path).then(
    () => "ok",
    ({ message }) => message,
  );
  console.log(`${path} ${outcome}`);
}
