/**
 * Builds the page into `dist/page`: hashed assets, nothing inlined (the page's policy allows no inline script or style).
 */
import { defineConfig } from "vite";

export default defineConfig({
  root: "page",
  logLevel: "warn",
  build: {
    outDir: "../dist/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ["chrome123", "firefox128", "safari17.5"],
  },
});
