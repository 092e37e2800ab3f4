/** The servers that `--peer` starts: those of the conformance suite, and the control that lacks defences. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { PEERS } from "../conformance/peers.ts";
import { StartedTarget } from "./target.ts";

const CONTROL = "ws-8.17.0";

/** The names that `--peer all` stands for, ours first. */
export const ALL: readonly string[] = ["openline", "ws", CONTROL, "bun", "gorilla"];

/** A server to start, or `undefined` when it is not installed. Throws when nobody has that name. */
export function peer(name: string): StartedTarget | undefined {
  if (name === CONTROL) return control();
  const found = PEERS.find((one) => one.role === "server" && one.name === name);
  if (found === undefined) throw new Error(`There is no peer ${name}`);
  const version = found.version();
  return version === undefined ? undefined : new StartedTarget(name, version, found.command);
}

function control(): StartedTarget | undefined {
  const program = fileURLToPath(new URL(`peers/${CONTROL}-server.mjs`, import.meta.url));
  try {
    const { version } = createRequire(import.meta.url)(`${CONTROL}/package.json`) as { version: string };
    return new StartedTarget(CONTROL, version, [process.execPath, program]);
  } catch {
    return undefined;
  }
}
