/**
 * Checks that README.md and docs/ are true: each ts and js block is typechecked, then run in its own process, and each link
 * to a file or a heading of the repository leads there.
 *
 * `ts no-run: <reason>` is typechecked only; `ts tested-by: <path>` is neither, since that test, which must name the page, runs it
 * as it stands. `// prints: …` comments are, in order, exactly the lines a block must print.
 * A block ends by itself within 20 s; one that calls `serve(` or `listen(` may stay, and then serves the blocks below it
 * until the next such block or the end of its page; requests
 * that nobody sends by mistake must not end it. Blocks find `openline` as built in dist/, and 9998, the port all
 * pages use, is replaced by a free one, so that a running demo is no obstacle.
 */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect as netConnect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brokenLinks } from "./page-links.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** One fenced block: where its code starts (line numbers from 1), its language, and what its info string asks. */
export interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: "ts" | "js";
  readonly code: string;
  readonly run: boolean;
  readonly prints: readonly string[];
}

/** Returns the ts and js blocks of a Markdown text; throws on a `no-run` without a reason, and on code under another name. */
export function readBlocks(page: string, markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  for (let index = 0; index < lines.length; index++) {
    const fence = /^(\s*)(`{3,})(\S*)\s*(.*)$/.exec(lines[index] as string);
    if (fence === null) continue;
    const [, indent = "", ticks = "", language = "", info = ""] = fence;
    const end = lines.findIndex((line, at) => at > index && line.trim() === ticks);
    if (end === -1) throw new Error(`Cannot read ${page}:${index + 1}: the code block does not end`);
    if (/^(typescript|javascript|[tj]sx|[mc][tj]s)$/i.test(language)) {
      throw new Error(
        `Cannot accept ${page}:${index + 1}: code that is checked is fenced as ts or js, not ${language}`,
      );
    }
    if (language === "ts" || language === "js") {
      const tester = /^tested-by: (\S+)$/.exec(info)?.[1];
      if (tester !== undefined) {
        if (!namesPage(tester, page)) throw new Error(`Cannot accept ${page}:${index + 1}: ${tester} does not name it`);
        index = end;
        continue;
      }
      const skip = /^no-run\b:?\s*(.*)$/.exec(info);
      if (skip?.[1] === "") throw new Error(`Cannot accept ${page}:${index + 1}: no-run gives no reason`);
      const code = lines.slice(index + 1, end).map((line) => line.slice(indent.length));
      const prints = code.flatMap((line) => /\/\/ prints: (.*)$/.exec(line)?.[1] ?? []);
      blocks.push({ page, line: index + 2, language, code: code.join("\n"), run: skip === null, prints });
    }
    index = end;
  }
  return blocks;
}

function namesPage(tester: string, page: string): boolean {
  const path = join(root, tester);
  return existsSync(path) && readFileSync(path, "utf8").includes(page);
}

/**
 * Typechecks and runs the blocks of all pages (each page's blocks in order) in `folder`, which must lie in the repository
 * and is emptied first; a block may take `timeLimit` ms. Returns a sentence for each failure.
 */
export async function checkPages(
  pages: readonly (readonly Block[])[],
  folder: string,
  timeLimit = 20_000,
): Promise<string[]> {
  if (pages.flat().length === 0) return [];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const block of pages.flat()) {
    // Blank lines before the code make every reported line number the page's own.
    writeFileSync(fileOf(block, folder), `${"\n".repeat(block.line - 1)}${block.code}\n`);
  }
  const failures = typecheck(folder);
  for (const blocks of pages) failures.push(...(await runPage(blocks, folder, timeLimit)));
  return failures;
}

function fileOf({ page, line, language }: Block, folder: string): string {
  return join(folder, `${page.replaceAll("/", "-")}-${line}.${language}`);
}

function typecheck(folder: string): string[] {
  const compilerOptions = {
    rootDir: root,
    noEmit: true,
    allowJs: true,
    checkJs: true,
    declaration: false,
    declarationMap: false,
    isolatedDeclarations: false,
    moduleDetection: "force",
    lib: ["es2023", "esnext.disposable", "dom"],
    skipLibCheck: true,
  };
  const config = { extends: join(root, "tsconfig.json"), compilerOptions, include: ["*.ts", "*.js"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(tsc, ["-p", folder], { encoding: "utf8", shell: process.platform === "win32" });
  return status === 0 ? [] : [stdout.trimEnd()];
}

async function runPage(blocks: readonly Block[], folder: string, timeLimit: number): Promise<string[]> {
  const failures: string[] = [];
  let server: ChildProcess | undefined;
  let serving: Block | undefined;
  const stopServer = async () => {
    const failure = server && serving && (await failureUnderAttack(serving, server));
    if (failure) failures.push(failure);
    await stop(server);
  };
  for (const block of blocks.filter(({ run }) => run)) {
    const serves = /\b(?:serve|listen)\(/.test(block.code);
    if (serves) await stopServer();
    const { child, failure } = await runBlock(block, fileOf(block, folder), serves, timeLimit);
    if (failure !== undefined) failures.push(`${block.page}:${block.line}: ${failure}`);
    if (serves) [server, serving] = [child, failure === undefined ? block : undefined];
    else await stop(child);
  }
  await stopServer();
  return failures;
}

/** Targets that some parser of URLs throws for, or reads in another way than the next. */
const hostileTargets: readonly string[] = ["//", "/%", "///x", "*", "http://[/", "//a:b@c:d/", "/a/../b?%"];

/** Sends hostile requests to what a block serves; a sentence when they end it. */
async function failureUnderAttack({ page, line, code }: Block, server: ChildProcess): Promise<string | undefined> {
  const port = Number(/\b(?:listen\(|port: )(\d+)/.exec(code)?.[1] ?? 0);
  if (port === 0 || server.exitCode !== null || server.signalCode !== null) return undefined;
  const ended = once(server, "exit").then(([exitCode]) =>
    exitCode === 0 ? undefined : `${page}:${line}: hostile requests ended it with exit code ${exitCode}`,
  );
  const socketFields = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  for (const target of hostileTargets) {
    for (const fields of [[], ["Connection: Upgrade", "Upgrade: h2c"], socketFields]) {
      await answerTo(port, [`GET ${target} HTTP/1.1`, "Host: localhost", ...fields, "", ""].join("\r\n"));
    }
  }
  return Promise.race([ended, new Promise<undefined>((resolve) => setTimeout(resolve, 200, undefined))]);
}

/** Resolves when something was answered, the connection was closed, or 200 ms have passed. */
function answerTo(port: number, request: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = netConnect(port, "localhost", () => void socket.write(request));
    const over = () => {
      socket.destroy();
      resolve();
    };
    socket.setTimeout(200, over).on("error", over).on("close", over).once("data", over);
  });
}

/** Resolves when the block has ended, when it serves and has printed what it should, or when its time is over. */
async function runBlock(
  block: Block,
  file: string,
  serves: boolean,
  timeLimit: number,
): Promise<{ child: ChildProcess; failure?: string }> {
  const child = fork(join(root, "scripts/run-block.ts"), [file], {
    cwd: root,
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const printed = { stdout: "", stderr: "" };
  let reachedTheEnd = false;
  const failure = await new Promise<string | undefined>((resolve) => {
    const settleServer = (): void => {
      if (serves && reachedTheEnd && wrongOutput(block, printed.stdout) === undefined) resolve(undefined);
    };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream]?.setEncoding("utf8").on("data", (text: string) => {
        printed[stream] += text;
        settleServer();
      });
    }
    child.once("message", () => {
      reachedTheEnd = true;
      settleServer();
    });
    child.once("close", (code) => {
      const ended = code === 0 && reachedTheEnd;
      resolve(ended ? wrongOutput(block, printed.stdout) : `ended early with exit code ${code}\n${printed.stderr}`);
    });
    setTimeout(() => {
      const problem = wrongOutput(block, printed.stdout) ?? `still running after ${timeLimit / 1000} s`;
      resolve(`${problem}\n${printed.stderr}`);
    }, timeLimit).unref();
  });
  return failure === undefined ? { child } : { child, failure: failure.trimEnd() };
}

function wrongOutput({ prints }: Block, stdout: string): string | undefined {
  const printed = stdout.split("\n").slice(0, -1);
  if (prints.length === 0 || prints.join("\n") === printed.join("\n")) return undefined;
  return `printed ${JSON.stringify(printed)} instead of ${JSON.stringify(prints)}`;
}

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Returns a TCP port of the loopback interface that nothing listens on at the time of the call. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("Cannot find a free port: not a TCP listener");
  return address.port;
}

/** README.md and every page under docs/, as paths from the root. */
function findPages(): string[] {
  const inDocs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" });
  return ["README.md", ...inDocs.filter((path) => path.endsWith(".md")).map((path) => join("docs", path))].sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const pages: Block[][] = [];
  const failures: string[] = [];
  for (const page of findPages()) {
    const markdown = readFileSync(join(root, page), "utf8");
    failures.push(...brokenLinks(root, page, markdown));
    // Programs of the first need packages of others, beside which test/frameworks runs them; the second are signatures.
    if (
      [join("docs", "guides", "frameworks"), join("docs", "reference", "api")].some((folder) => page.startsWith(folder))
    ) {
      continue;
    }
    pages.push(readBlocks(page, markdown.replaceAll("9998", String(await freePort()))));
  }
  failures.push(...(await checkPages(pages, join(root, ".cache/docs"))));
  for (const failure of failures) console.error(failure);
  const blocks = pages.flat();
  console.log(`${blocks.length} blocks typechecked, ${blocks.filter(({ run }) => run).length} of them run`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}
