import cluster from "node:cluster";
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startProcess } from "../../src/workers/primary/started.ts";
import { freshFile } from "./workers.ts";

test("what could not be sent to a process that ends hides not how it ends", async () => {
  const entry = `${freshFile()}.cjs`;
  writeFileSync(entry, "process.exit(3);");
  const { ended } = startProcess(entry);
  const [worker] = Object.values(cluster.workers!);
  worker!.emit("error", new Error("write EPIPE"));
  expect(await ended).toEqual({ how: "with exit code 3", error: undefined });
});
