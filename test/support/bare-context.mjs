/**
 * Loads modules of the build in contexts that have nothing but the language, and getters that throw for what runtimes have.
 * Needs `--experimental-vm-modules`; prints for each path `ok`, or what was touched, or what was thrown. From Node 26 on a
 * context does without what a getter of its globals throws.
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
  const touched = [];
  for (const name of globals) {
    Object.defineProperty(sandbox, name, {
      get: () => {
        touched.push(`${name} was touched`);
        throw new Error(touched[0]);
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
  await module.evaluate().catch((error) => {
    throw touched.length > 0 ? new Error(touched[0]) : error;
  });
  if (touched.length > 0) throw new Error(touched[0]);
}

for (const path of process.argv.slice(2)) {
  const outcome = await evaluate(path).then(
    () => "ok",
    ({ message }) => message,
  );
  console.log(`${path} ${outcome}`);
}
