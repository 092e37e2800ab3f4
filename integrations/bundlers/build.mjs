/**
 * Builds a page with one of the bundlers, with the settings that each has for browsers: `node build.mjs vite page.js out.js`,
 * run in the folder that has the page and `node_modules/openline`.
 */
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { build as esbuild, transform } from "esbuild";
import { rollup } from "rollup";
import { compile, compileModule } from "svelte/compiler";
import { build as vite } from "vite";
import webpack from "webpack";

const here = dirname(fileURLToPath(import.meta.url));

/** Components, and modules with runes; `generate` says whether for browsers or for rendering on a server. */
const svelte = (generate) => ({
  name: "svelte",
  setup({ onLoad }) {
    onLoad({ filter: /\.svelte$/ }, async ({ path: filename }) => {
      const { js } = compile(await readFile(filename, "utf8"), { filename, generate });
      return { contents: js.code };
    });
    onLoad({ filter: /\.svelte\.ts$/ }, async ({ path: filename }) => {
      const { code } = await transform(await readFile(filename, "utf8"), { loader: "ts" });
      return { contents: compileModule(code, { filename, generate }).js.code };
    });
  },
});
/** Where a page of a framework finds it. */
const nodePaths = [join(here, "node_modules")];

const bundlers = {
  /** No page, but a program that renders one. */
  async server(entry, outfile) {
    const plugins = [svelte("server")];
    await esbuild({ entryPoints: [entry], plugins, bundle: true, platform: "node", format: "cjs", outfile, nodePaths });
  },
  async esbuild(entry, file) {
    const define = {
      "process.env.NODE_ENV": '"development"',
      __VUE_OPTIONS_API__: "true",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
    };
    await esbuild({
      entryPoints: [entry],
      plugins: [svelte("client")],
      conditions: ["svelte"],
      bundle: true,
      minify: true,
      format: "esm",
      outfile: file,
      nodePaths,
      define,
    });
  },
  async vite(entry, file) {
    const output = { entryFileNames: file };
    const build = { outDir: ".", emptyOutDir: false, modulePreload: false, rollupOptions: { input: entry, output } };
    await vite({ root: process.cwd(), configFile: false, publicDir: false, logLevel: "error", build });
  },
  async webpack(entry, filename) {
    const output = { path: process.cwd(), filename };
    const compiler = webpack({ mode: "production", entry: resolve(entry), context: process.cwd(), output });
    const stats = await new Promise((done, failed) =>
      compiler.run((error, result) => (error ? failed(error) : done(result))),
    );
    if (stats.hasErrors()) throw new Error(stats.toString());
  },
  async rollup(entry, file) {
    const bundle = await rollup({ input: entry, plugins: [nodeResolve({ browser: true })] });
    await bundle.write({ file, format: "es" });
  },
  async bun(entry, file) {
    execFileSync(join(here, "node_modules/.bin/bun"), [
      "build",
      entry,
      "--target=browser",
      "--minify",
      `--outfile=${file}`,
    ]);
  },
};

const [name, entry, file] = process.argv.slice(2);
await bundlers[name](entry, file);
