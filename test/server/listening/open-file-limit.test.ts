import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { fileLimit } from "../../../src/server/listening/open-file-limit.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("the limit is known where the system tells it, and the same at each call [D20]", () => {
  expect(fileLimit()).toBeGreaterThan(0);
  expect(Number.isFinite(fileLimit())).toBe(process.platform === "linux");
  expect(fileLimit()).toBe(fileLimit());
});

test("there is no limit where /proc cannot be read, under Node's permission model, and the server serves [D20]", () => {
  const flags = ["--permission", "--experimental-permission", "--allow-net"].filter((flag) =>
    process.allowedNodeEnvironmentFlags.has(flag),
  );
  const permission = flags.filter((flag) => flag !== "--experimental-permission" || !flags.includes("--permission"));
  const script = `import { serve } from "openline";
    const server = await serve({ host: "127.0.0.1", routes: { "/": {} } });
    console.log(server.port > 0);
    await server.close();`;
  const args = [...permission, `--allow-fs-read=${root}*`, "--input-type=module", "--eval", script];
  const told = execFileSync(process.execPath, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  expect(told.trim()).toBe("true");
});
