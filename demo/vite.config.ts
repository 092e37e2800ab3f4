/**
 * Builds the page into `dist/page`: hashed assets, nothing inlined (the page's policy allows no inline script or style).
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";
import { excerpts } from "./excerpt.ts";

const CUT = "?cut=";

/** `file.ts?cut=one,other&code` is the text of these declarations of the file. */
const code: Plugin = {
  name: "code",
  enforce: "pre",
  resolveId(source, importer) {
    if (!source.includes(CUT) || importer === undefined) return null;
    return resolve(dirname(importer), source);
  },
  load(id) {
    const [path = "", names] = id.split(CUT);
    if (names === undefined) return null;
    this.addWatchFile(path);
    const text = excerpts(readFileSync(path, "utf8"), names.replace("&code", "").split(","));
    return { code: `export default ${JSON.stringify(text)}`, moduleType: "js" };
  },
};

export default defineConfig({
  root: "page",
  plugins: [code],
  logLevel: "warn",
  build: {
    outDir: "../dist/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ["chrome123", "firefox128", "safari17.5"],
  },
});
