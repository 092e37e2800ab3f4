/** A program that names itself as the module of its workers. */
import { fileURLToPath } from "node:url";
import { serveOnCores } from "../../src/workers/index.ts";

await serveOnCores({ entry: fileURLToPath(import.meta.url), workers: 2, signals: false });
