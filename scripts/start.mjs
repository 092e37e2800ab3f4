/**
 * `npm start`: makes the clone ready, then runs the demo's server in this same process.
 *
 * One process, so that Ctrl-C and SIGTERM reach the server's own handlers and its exit code is the command's. For the same
 * reason the command in package.json ends with `exec`: a shell between npm and this process would die of a SIGTERM and
 * leave the server running. npm puts the arguments at the end, so that stands last; what is before `||` is for Windows, whose
 * shell has no `exec`, and which starts the demo without arguments.
 * The server reads PORT (default 9998) and HOST (default 127.0.0.1) and prints its URLs.
 */
import { setUp } from "./setup.mjs";

setUp({ build: true });
await import("../demo/dist/server/main.js");
