/**
 * Builds a page with one of the bundlers, with the settings that each has for browsers: `node build.mjs vite page.js out.js`,
 * run in the folder that has the page and `node_modules/openline`.
 */
import { execFileSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { build as esbuild } from "esbuild";
import { rollup } from "rollup";
import { build as vite } from "vite";
import webpack from "webpack";

const here = dirname(fileURLToPath(import.meta.url));

const bundlers = {
  async esbuild(entry, file) {
    // Where a page of React finds it.
    const nodePaths = [join(here, "node_modules")];
    const define = { "process.env.NODE_ENV": '"development"' };
    await esbuild({
      entryPoints: [entry],
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
