/** Runs `leaking-tests.ts` and tells its parent what was found wrong with each part of that file. */
import { fileURLToPath } from "node:url";
import { startVitest } from "vitest/node";

const file = fileURLToPath(new URL("leaking-tests.ts", import.meta.url));
const vitest = await startVitest("test", [], { config: false, watch: false, include: [file], reporters: [{}] });
const said: Record<string, string> = {};
for (const module of vitest.state.getTestModules()) {
  for (const suite of module.children.suites()) {
    const errors = [...suite.children.tests()].flatMap((test) => test.result().errors ?? []);
    said[suite.name] = [...errors, ...suite.errors()].map(({ actual }) => actual).join();
  }
}
process.send!(said);
await vitest.close();
