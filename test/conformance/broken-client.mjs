// A client that is wrong in the way its second argument names; it connects again and again, as the suite wants it.
import { connect } from "node:net";

const [, , url, fault] = process.argv;
const { hostname, port, pathname } = new URL(url);

function run() {
  const socket = connect(Number(port), hostname, () => {
    const key = fault === "short-key" ? "c2hvcnQ=" : "dGhlIHNhbXBsZSBub25jZQ==";
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
  });
  let open = false;
  socket.on("error", () => undefined);
  socket.on("close", () => setTimeout(run, 1));
  socket.on("data", (chunk) => {
    const end = open ? 0 : chunk.indexOf("\r\n\r\n") + 4;
    open = true;
    const frames = chunk.subarray(end);
    if (frames.length === 0) return;
    if (fault === "crashes") throw new Error("A fault in the client");
    socket.write(fault === "does-not-mask" ? frames : masked(frames));
  });
}

/** Echoes whole short frames with a key that is always the same; a ping becomes a pong. */
function masked(chunk) {
  const out = [];
  for (let at = 0; at + 1 < chunk.length; at += 2 + chunk[at + 1]) {
    const payload = chunk.subarray(at + 2, at + 2 + chunk[at + 1]);
    const first = chunk[at] === 0x89 ? 0x8a : chunk[at];
    out.push(
      Buffer.from([first, 0x80 | payload.length, 7, 7, 7, 7]),
      payload.map((byte) => byte ^ 7),
    );
  }
  return Buffer.concat(out);
}

run();
