/**
 * A server whose paths are ways to behave, right and wrong, built without the code under test: the same for a browser and
 * for our client, so that what the two see can be compared.
 */

import { RawPeer } from "./raw-peer.ts";
import { acceptance, type RawServer, type ReceivedRequest, rawServer } from "./raw-server.ts";
import { buildFrame } from "./wire.ts";

type Script = (peer: RawPeer, query: URLSearchParams, request: ReceivedRequest) => Promise<void> | void;
type Fields = Parameters<typeof acceptance>[1];

/** Waits for the client's next Close and answers it, then ends the stream. */
async function finish(peer: RawPeer): Promise<void> {
  for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
    if (frame.opcode !== 8) continue;
    peer.send({ opcode: 8, payload: frame.payload });
    peer.end();
    return;
  }
  peer.end();
}

async function echo(peer: RawPeer): Promise<void> {
  for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
    peer.send({ opcode: frame.opcode, payload: frame.payload });
    if (frame.opcode === 8) return peer.end();
  }
  peer.end();
}

function closePayload(query: URLSearchParams): Buffer {
  const code = query.get("code");
  if (code === null) return Buffer.alloc(0);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(Number(code));
  return Buffer.concat([head, Buffer.from(query.get("reason") ?? "")]);
}

/** Reads until the client's Close without an answer. */
async function untilClose(peer: RawPeer): Promise<void> {
  for (let frame = await peer.nextFrame(); frame && frame.opcode !== 8; ) frame = await peer.nextFrame();
}

const scripts: Readonly<Record<string, Script>> = {
  "/echo": echo,
  /** Sends `messages` texts and binaries by turns in one chunk, with a Close right behind them if `close` is given. */
  "/burst": async (peer, query) => {
    const frames = Array.from({ length: Number(query.get("messages")) }, (_, i) => ({
      opcode: i % 2 === 0 ? 1 : 2,
      payload: String(i),
    }));
    if (!query.has("close")) {
      peer.send(...frames);
      return finish(peer);
    }
    peer.send(...frames, { opcode: 8, payload: closePayload(query) });
    await untilClose(peer);
    peer.end();
  },
  /** Sends a Close at once, waits for the answer, ends. */
  "/close": async (peer, query) => {
    peer.send({ opcode: 8, payload: closePayload(query) });
    await untilClose(peer);
    peer.end();
  },
  /** Sends a Close when the client says something. */
  "/close-when-told": async (peer, query) => {
    await peer.nextFrame();
    peer.send({ opcode: 8, payload: closePayload(query) });
    await untilClose(peer);
    peer.end();
  },
  /** Sends a Close and ends at once. */
  "/close-and-end": async (peer, query) => {
    peer.send({ opcode: 8, payload: closePayload(query) });
    peer.end();
  },
  /** Ends without a Close. */
  "/end": (peer) => peer.end(),
  /** Resets after the handshake. */
  "/reset": async (peer) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    peer.reset();
  },
  /** Answers the client's Close by ending, without a Close. */
  "/end-on-close": async (peer) => {
    await untilClose(peer);
    peer.end();
  },
  /** Answers the client's Close with another code. */
  "/other-close": async (peer) => {
    await untilClose(peer);
    peer.close(4222, "remote");
    peer.end();
  },
  /** Answers the client's Close after a while. */
  "/late-close": async (peer, query) => {
    await untilClose(peer);
    setTimeout(
      () => {
        peer.close(1000);
        peer.end();
      },
      Number(query.get("after")),
    );
  },
  /** Breaks a rule of framing: a reserved opcode. */
  "/bad-frame": async (peer) => {
    peer.send({ opcode: 1, payload: "before" }, { opcode: 3, payload: "" });
    await finish(peer);
  },
  /** Breaks a rule: text that is not UTF-8. */
  "/bad-utf8": async (peer) => {
    peer.send({ opcode: 1, payload: Buffer.from([0xff, 0xfe]) });
    await finish(peer);
  },
  /** A masked frame from a server. */
  "/masked": async (peer) => {
    peer.socket.write(buildFrame({ opcode: 1, payload: "x", key: [1, 2, 3, 4] }));
    await finish(peer);
  },
  /** A text with a byte order mark. */
  "/bom": async (peer) => {
    peer.send({ opcode: 1, payload: Buffer.from("\ufefftext") });
    await finish(peer);
  },
  /** Reads nothing for `ms`, then echoes. */
  "/deaf": async (peer, query) => {
    peer.socket.pause();
    setTimeout(() => peer.socket.resume(), Number(query.get("ms")));
    await echo(peer);
  },
  /** Reads nothing and sends a Close at once when `close` is given. */
  "/never-reads": (peer, query) => {
    peer.socket.pause();
    if (query.has("close")) peer.send({ opcode: 8, payload: closePayload(query) });
  },
  /** Sends `count` messages of `size` bytes as fast as they leave, then one with the milliseconds that took. */
  "/flood": async (peer, query) => {
    const began = performance.now();
    peer.text("");
    const payload = Buffer.alloc(Number(query.get("size")));
    for (let i = 0; i < Number(query.get("count")) && !peer.ended; i++) {
      peer.send({ opcode: 2, payload });
      if (peer.socket.writableNeedDrain) await new Promise((resolve) => peer.socket.once("drain", resolve));
    }
    peer.text(String(performance.now() - began));
    await finish(peer);
  },
};

/** Answers to the handshake that are no plain 101. */
const answers: Readonly<Record<string, (request: ReceivedRequest) => Fields | string>> = {
  "/404": () => "HTTP/1.1 404 Not Found\r\nX-Why: lost\r\nContent-Length: 4\r\n\r\ngone",
  "/redirect": () => "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n",
  "/200": () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
  "/wrong-accept": () => ({ "Sec-WebSocket-Accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" }),
  "/no-upgrade": () => ({ Upgrade: undefined }),
  "/first-protocol": (request) => ({
    "Sec-WebSocket-Protocol": request.values("sec-websocket-protocol")[0]?.split(",")[0],
  }),
  "/empty-protocol": () => ({ "Sec-WebSocket-Protocol": "" }),
  "/two-protocols": () => ({ "Sec-WebSocket-Protocol": ["chat", "superchat"] }),
  "/other-protocol": () => ({ "Sec-WebSocket-Protocol": "mqtt" }),
  "/unknown-extension": () => ({ "Sec-WebSocket-Extensions": "x-unknown" }),
  "/hang-up": () => "",
};

/** Starts the server. */
export function scriptedServer(): Promise<RawServer> {
  return rawServer((request, socket) => {
    const url = new URL(request.target, "http://localhost");
    if (url.pathname === "/slow-handshake") {
      setTimeout(
        () => {
          if (socket.destroyed) return;
          socket.write(acceptance(request));
          void echo(new RawPeer(socket, "server"));
        },
        Number(url.searchParams.get("ms")),
      );
      return undefined;
    }
    const answer = answers[url.pathname]?.(request) ?? {};
    if (answer === "") {
      socket.end();
      return undefined;
    }
    if (typeof answer === "string") {
      socket.end(answer);
      return undefined;
    }
    socket.cork();
    socket.write(acceptance(request, answer));
    const peer = new RawPeer(socket, "server");
    void (scripts[url.pathname] ?? echo)(peer, url.searchParams, request);
    process.nextTick(() => socket.uncork());
    return undefined;
  });
}
