#!/usr/bin/env node
/** The command `openline`. */

import { migrateCheck } from "./migrate-check.ts";

const usage = `Usage: openline migrate-check [folder]
  Reads the sources and the package.json of a project that uses ws, and says what openline/ws would change.`;

const [command, folder = "."] = process.argv.slice(2);
if (command === "migrate-check" && !folder.startsWith("-")) {
  try {
    for (const line of migrateCheck(folder)) console.log(line);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
} else {
  console.error(usage);
  process.exitCode = 2;
}
