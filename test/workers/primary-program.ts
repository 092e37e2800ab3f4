/** A primary in a process of its own, for what ends a process. It says its port, then `served`; its argument is the options. */
import { typescriptProgram } from "../../scripts/typescript-program.ts";
import { serveOnCores } from "../../src/workers/index.ts";

const [entry] = typescriptProgram(new URL("./worker-program.ts", import.meta.url).pathname).slice(-1);
const workers = await serveOnCores({ entry: entry!, ...JSON.parse(process.argv[2]!) });
process.send!(workers.port);
