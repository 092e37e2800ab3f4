/**
 * `npm run soak`: one server for a long time under a mixed load, or with `--cluster` three nodes over a broker that fails.
 */
if (process.argv.slice(2).some((argument) => argument.startsWith("--cluster"))) await import("./cluster/main.ts");
else await import("./one-server.ts");
