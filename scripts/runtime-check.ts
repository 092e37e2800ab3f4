/**
 * Runs in every worker of the tests on one runtime, before its tests: fails them on any other, and skips what that runtime
 * cannot do.
 */
import { relative } from "node:path";
import { beforeEach } from "vitest";
import { lackOf, type Runtime, runtimeNames } from "./runtimes.ts";

const [runtime, version] = (process.env.WANTED_RUNTIME ?? "").split(" ") as [Runtime, string];
const found = process.versions[runtime];
if (found !== version) {
  const actual = found ?? `something else, ${process.execPath}`;
  throw new Error(`Cannot test on ${runtimeNames[runtime]} ${version}: this is ${actual}`);
}

beforeEach(({ skip, task }) => {
  const titles = [task.name];
  for (let { suite } = task; suite !== undefined; { suite } = suite) titles.unshift(suite.name);
  const lack = lackOf(runtime, relative(process.cwd(), task.file.filepath).replaceAll("\\", "/"), titles.join(" "));
  if (lack !== undefined) skip(lack.what);
});
