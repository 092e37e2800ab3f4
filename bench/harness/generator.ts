/**
 * Which load generator there is: the C program where a compiler is, else the one for Node.
 */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { benchFolder, workFolder } from "./peers.ts";
import { type Command, worksHere } from "./processes.ts";

/** A load generator that can be started. */
export interface Generator {
  readonly command: Command;
  readonly title: string;
}

/**
 * Compiles the generator when that is needed, with TLS where OpenSSL's headers are; `BENCH_GENERATOR=node` chooses the other
 * one.
 */
export function prepareGenerator(): Generator {
  const sources = ["load.c", "meter.h", "stream.h"].map((name) => `${benchFolder}load/${name}`);
  if (process.env.BENCH_GENERATOR === "node" || process.platform !== "linux" || !worksHere("cc", ["--version"])) {
    console.log(
      "The load comes from Node, which is slower than some servers here: install a C compiler for good figures.",
    );
    return { command: [process.execPath, `${benchFolder}dist/load/load.js`], title: "load/load.ts" };
  }
  const hasTls = worksHere("cc", ["-fsyntax-only", "-include", "openssl/ssl.h", "-x", "c", "/dev/null"]);
  const program = `${workFolder}${hasTls ? "load-tls" : "load"}`;
  if (modifiedAt(program) < Math.max(...sources.map(modifiedAt))) {
    const options = ["-O2", "-Wall", "-Wextra", ...(hasTls ? ["-DTLS"] : [])];
    const libraries = hasTls ? ["-lssl", "-lcrypto"] : [];
    execFileSync("cc", [...options, "-o", program, sources[0]!, ...libraries], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return { command: [program], title: "load/load.c" };
}

function modifiedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
