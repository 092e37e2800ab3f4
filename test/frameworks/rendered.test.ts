/**
 * The page on frameworks that render pages: each is built, and answers over HTTP and WebSocket on a server of one's own.
 *
 * @module-tag slow
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { folderOf, install, packagesOf, run } from "./page.ts";

beforeAll(() => install("rendered"), 600_000);

/** A project of each, as small as it can be, and how it is built. */
const projects = {
  sveltekit: {
    build: ["vite/bin/vite.js", "build"],
    dependencies: {},
    files: {
      "svelte.config.js": `import adapter from "@sveltejs/adapter-node"; export default { kit: { adapter: adapter() } };`,
      "vite.config.js": `import { sveltekit } from "@sveltejs/kit/vite"; export default { plugins: [sveltekit()] };`,
      "src/app.html": "<!doctype html><head>%sveltekit.head%</head><body>%sveltekit.body%</body>",
      "src/routes/+page.svelte": "<p>Hello over HTTP</p>",
    },
  },
  astro: {
    build: ["astro/astro.js", "build"],
    dependencies: {},
    files: {
      "astro.config.mjs": `import node from "@astrojs/node";
        export default { output: "server", adapter: node({ mode: "middleware" }), devToolbar: { enabled: false } };`,
      "src/pages/index.astro": "<p>Hello over HTTP</p>",
    },
  },
  "react-router": {
    build: ["@react-router/dev/bin.js", "build"],
    dependencies: { "@react-router/node": "*", isbot: "*", react: "*", "react-dom": "*", "react-router": "*" },
    files: {
      "vite.config.js": `import { reactRouter } from "@react-router/dev/vite"; export default { plugins: [reactRouter()] };`,
      "app/root.jsx": `import { Outlet } from "react-router"; export default () => <html><body><Outlet /></body></html>;`,
      "app/routes.js": `import { index } from "@react-router/dev/routes"; export default [index("./home.jsx")];`,
      "app/home.jsx": "export default () => <p>Hello over HTTP</p>;",
    },
  },
};

test.each(Object.entries(projects))(
  "%s is built, and served by a server of one's own",
  async (name, project) => {
    const files = Object.fromEntries(Object.entries(project.files).map(([path, text]) => [`${name}/${path}`, text]));
    const { dependencies } = project;
    const packageFile = { [`${name}/package.json`]: JSON.stringify({ private: true, type: "module", dependencies }) };
    const { folder: parent, port } = await folderOf("rendered", { ...files, ...packageFile }, "rendered");
    const folder = join(parent, name);
    const [program = "", ...args] = project.build;
    execFileSync(process.execPath, [join(packagesOf("rendered"), "node_modules", program), ...args], {
      cwd: folder,
      env: { ...process.env, NODE_ENV: "production", ASTRO_TELEMETRY_DISABLED: "1" },
      stdio: "pipe",
    });
    await run(folder, port, ["server.js"], { NODE_ENV: "production" });
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toContain("Hello over HTTP");
    const connection = await connect(`ws://localhost:${port}/echo`);
    connection.send("hello");
    for await (const data of connection) {
      expect(data).toBe("hello");
      break;
    }
    connection.close();
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
  },
  240_000,
);
