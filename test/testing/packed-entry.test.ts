/**
 * `openline/testing` as a program finds it in the package, in both kinds of modules; the package must be built.
 *
 * @module-tag slow
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { unpackInto } from "../../scripts/packed.ts";

let folder: string;

beforeAll(() => {
  folder = unpackInto("testing-entry");
}, 120_000);

const program = `
  const { client, server, clock, unplug } = await connectionPair(
    route({ upgrade: ({ params }) => ({ data: params.room }), message: (c, data) => c.send(c.data + " " + data) }),
    { params: { room: "lobby" }, client: { message: (_, data) => console.log(data) } },
  );
  client.send("hello");
  await clock.advance(0);
  unplug();
  await clock.advance(60_000);
  console.log((await server.closed).error.message);
  await connectionPair({});
  console.log("done");
`;

/** Nothing but what it is written with keeps the program alive: it ends although a pair is open. */
test.each([
  [
    "an ES module",
    "program.mjs",
    `import { route } from "openline"; import { connectionPair } from "openline/testing"; ${program}`,
  ],
  [
    "CommonJS",
    "program.cjs",
    `const { route } = require("openline"); const { connectionPair } = require("openline/testing"); (async () => { ${program} })();`,
  ],
])("joins connections and turns their clock in %s", (_, name, text) => {
  writeFileSync(join(folder, name), text);
  const { stdout, stderr, status } = spawnSync(process.execPath, [name], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
  });
  expect([stdout.split("\n"), status]).toEqual([
    [
      "lobby hello",
      "The connection was given up: the peer was silent for 45000 ms and did not answer a Ping",
      "done",
      "",
    ],
    0,
  ]);
  expect(stderr.replace(/.*ExperimentalWarning.*\n.*\n/, "")).toBe("");
});
