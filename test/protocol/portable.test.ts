/** The built protocol with Node's functions and without them: both do the same. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Outcome, programText } from "../support/protocol-vectors.ts";

const built = new URL("../../dist/protocol", import.meta.url).href;

/** The outcome in a process of its own, after `first` has run there. */
function outcomeAfter(first: string): Outcome {
  const module = `data:text/javascript,${encodeURIComponent(programText(built))}`;
  const program = `${first}; import(${JSON.stringify(module)}).then((m) => console.log(JSON.stringify(m.outcome)));`;
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  return JSON.parse(execFileSync(process.execPath, ["-e", program], { cwd, encoding: "utf8" })) as Outcome;
}

test("handshakes, messages, fragments, Pings and Closes are the same in a runtime without Node's modules", () => {
  const native = outcomeAfter("");
  const portable = outcomeAfter("delete process.getBuiltinModule");
  expect([native.native, portable.native]).toEqual([true, false]);
  expect(native.lines.length).toBeGreaterThan(100);
  expect(portable.lines).toEqual(native.lines);
});
