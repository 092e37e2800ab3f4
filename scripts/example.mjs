/**
 * `npm run example -- NAME`: makes the clone ready, then runs the example in this same process, so that Ctrl-C reaches it.
 *
 * Behind NAME may stand another script of the example's package.json than `start`, such as `client`, and its arguments.
 * Without a name, or with a wrong one, it lists the examples. The link examples/node_modules/openline stands for the
 * package that a copy of an example would install. Plain JavaScript, because it runs before anything is installed.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { setUp } from "./setup.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "examples");

/** Makes `import "openline"` in an example find what is built here; does nothing where it does already. */
export function linkPackage() {
  const link = join(folder, "node_modules/openline");
  if (statSync(link, { throwIfNoEntry: false })) return;
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  try {
    symlinkSync(root, link, "junction");
  } catch (error) {
    // Another process made it meanwhile.
    if (error.code !== "EEXIST") throw error;
  }
}

/** The package.json of each example, by the name of its folder. */
export function readExamples() {
  const names = readdirSync(folder).filter((name) =>
    statSync(join(folder, name, "package.json"), { throwIfNoEntry: false }),
  );
  return new Map(names.map((name) => [name, JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8"))]));
}

function list(examples) {
  console.log("Start an example with: npm run example -- NAME\n");
  for (const [name, { description }] of examples) console.log(`  ${name.padEnd(12)}  ${description}`);
}

/** A sentence for what its reader can mend; undefined for anything else. */
function explain({ code, address, port }, command) {
  if (code === "EADDRINUSE")
    return `port ${port} on ${address} is in use; choose another: PORT=${port + 10} ${command}`;
  if (code === "EACCES" && port) return `port ${port} needs privileges; choose another: PORT=9998 ${command}`;
  return undefined;
}

/**
 * Ends this process as a SIGTERM would when the shell between npm and it is gone: npm passes signals on to the shell alone.
 */
function endWithShell() {
  const shell = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 200);
  timer.unref();
}

async function run(name, { scripts }, words) {
  const script = Object.hasOwn(scripts, words[0] ?? "") ? words.shift() : "start";
  const [, file, ...args] = scripts[script].split(" ");
  const path = join(folder, name, file);
  if (words.length > 0 && !readFileSync(path, "utf8").includes("process.argv")) {
    const others = Object.keys(scripts).join(", ");
    console.error(`The example ${name} takes no "${words[0]}" for its ${script}. Its scripts are: ${others}`);
    process.exit(1);
  }
  const command = `npm run example -- ${name}`;
  const translate = (code) => {
    if (code === 1) console.error(`In this repository, the example's "npm start" is "${command}".`);
  };
  process.on("exit", translate);
  // A relative path among the arguments is meant from where npm was called.
  if (process.env.npm_lifecycle_event === "example" && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);
  process.argv = [process.execPath, path, ...args, ...words];
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    process.off("exit", translate);
    const reason = explain(error, command);
    if (reason === undefined) throw error;
    console.error(`Cannot start ${name}: ${reason}`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, ...words] = process.argv.slice(2);
  const examples = readExamples();
  const example = examples.get(name);
  const { PORT = "9998" } = process.env;
  if (!/^\d{1,5}$/.test(PORT) || Number(PORT) > 65_535) {
    console.error(`Cannot start an example: PORT is "${PORT}", and a port is a number up to 65535`);
    process.exitCode = 1;
  } else if (example) {
    // Under Vitest all is built, and other tests read it meanwhile.
    if (process.env.VITEST === undefined) setUp({ build: true, demo: false });
    linkPackage();
    if (process.env.npm_lifecycle_event === "example") endWithShell();
    await run(name, example, words);
  } else {
    if (name !== undefined) console.error(`There is no example "${name}".`);
    list(examples);
    process.exitCode = name === undefined ? 0 : 1;
  }
}
