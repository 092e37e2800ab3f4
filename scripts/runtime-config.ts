/** How the tests run on one runtime, the one that `on-runtime.ts` names: those of `selections`, or all of them. */
import { defineConfig } from "vitest/config";
import onOldest from "../vitest.config.ts";
import { type Runtime, selections } from "./runtimes.ts";

interface Project {
  readonly test: { readonly include: string[]; readonly exclude?: string[] };
}

const [runtime] = (process.env.WANTED_RUNTIME ?? "node").split(" ") as [Runtime];
const { projects, ...test } = onOldest.test ?? {};
const [own, pure] = projects as [Project, Project];

function selected(): Project[] {
  if (process.env.WANTED_TESTS === "all") return [own, pure];
  const { folders, files } = selections[runtime];
  const alone = (pure.test.exclude ?? []).filter((path) => folders.includes(path.split("/")[1]!));
  const include = folders.map((folder) => `test/${folder}/**/*.test.ts`);
  const isPure = (path: string) => path.startsWith("test/protocol/");
  return [
    { ...own, test: { ...own.test, include: [...include.filter((path) => !isPure(path)), ...alone, ...files] } },
    { ...pure, test: { ...pure.test, include: include.filter(isPure) } },
  ].filter(({ test: { include } }) => include.length > 0);
}

export default defineConfig({
  test: {
    ...test,
    setupFiles: ["scripts/runtime-check.ts"],
    projects: selected(),
    // What Bun and Deno do late once in a while is theirs; what they do wrong, they do three times.
    retry: runtime === "node" ? 0 : 2,
  },
});
