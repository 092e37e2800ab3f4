/** Runs one code block of the documentation and tells the parent process when its last line has been reached. */
import { pathToFileURL } from "node:url";

await import(pathToFileURL(process.argv[2] as string).href);
process.send?.("reached the end");
