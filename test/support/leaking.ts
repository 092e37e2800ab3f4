/** Runs the test file of its one argument, and tells its parent what was found wrong with each part of that file. */
import { startVitest } from "vitest/node";

const [, , file = ""] = process.argv;
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
