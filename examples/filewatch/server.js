// @ts-check
/** Sends a file to each client when it connects, and to all of them when it has changed. */
import { readFileSync, statSync, watchFile } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { serve } from "openline";

const path = resolve(process.argv[2] ?? fileURLToPath(new URL("README.md", import.meta.url)));
if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
  console.error(`Cannot watch ${path}: it is no file. Name one that is there: npm start -- FILE`);
  process.exit(1);
}

/** The message about the file as it is now. */
function read() {
  return JSON.stringify({ name: basename(path), text: readFileSync(path, "utf8") });
}

let latest = read();
const page = readFileSync(new URL("page.html", import.meta.url));
const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  hosts: ["localhost", "127.0.0.1"],
  request: (_, response) => response.setHeader("Content-Type", "text/html").end(page),
  routes: {
    "/file": {
      open: (connection) => {
        connection.subscribe("file");
        connection.send(latest);
      },
    },
  },
});

// It is looked at by its path, so that an editor may put another file in its place.
const watcher = watchFile(path, { interval: 250 }, () => {
  const before = latest;
  try {
    latest = read();
  } catch {
    latest = JSON.stringify({ name: basename(path), missing: true });
  }
  if (latest !== before) server.publish("file", latest);
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    watcher.unref();
    server.close();
  });
}
console.log(`Open http://localhost:${server.port}, then change ${path}. Ctrl-C ends the server.`);
