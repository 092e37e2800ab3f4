/**
 * Programs that a test starts, and the ports they listen on.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Ports below those that systems give out themselves, so that no other test's server or socket comes to have one. */
const lowestPort = 20_000;
const portCount = 12_000;

/** A TCP port of the loopback interface that nothing listens on at the time of the call. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + Math.floor(Math.random() * portCount);
    const server = createServer().listen(port, "127.0.0.1");
    const listening = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!listening) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** A program that runs until `close`. */
export interface Program {
  readonly process: ChildProcess;
  close(): Promise<void>;
}

/** Starts a program and waits until it listens on the port; throws with what it printed when it ends before. */
export async function startProgram(executable: string, args: readonly string[], port: number): Promise<Program> {
  const child = spawn(executable, args, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
  }
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${executable} ended with ${child.exitCode}: ${printed}`);
    await delay(20);
  }
  return {
    process: child,
    close: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** How a program ended, and what it printed. */
export interface Ended {
  /** Its exit code; -1 when a signal ended it. */
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

/** Runs the TypeScript program at a path of this project with arguments, to its end. */
export function commandLine(path: string): (...args: readonly string[]) => Promise<Ended> {
  const script = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  return (...args) =>
    new Promise((resolve) => {
      const child = execFile(process.execPath, ["--import", "tsx", script, ...args], (_error, out, errors) => {
        resolve({ code: child.exitCode ?? -1, out, errors });
      });
    });
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const listening = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return listening;
}
