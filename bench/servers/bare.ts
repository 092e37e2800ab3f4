/**
 * The floor below `net.Socket`: the TCP handles of the listener as libuv gives them, read into one buffer, with neither a
 * stream nor a parser: what nobody on Node can do without. What it does with a message is what `floor.ts` does.
 */
import { Buffer } from "node:buffer";
import { type AddressInfo, createServer } from "node:net";
import { serverFrame } from "../harness/frames.ts";
import { connections, job, listening, publications, publishes } from "./job.ts";

/** What Node's own handles have, as far as it is used here. */
interface Handle {
  bytesRead: number;
  onread: (this: Handle) => void;
  setNoDelay(on: boolean): void;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): void;
  writeBuffer(request: object, bytes: Uint8Array): number;
  shutdown(request: object): number;
  close(): void;
  /** Bytes read before this read, and whether the 101 was sent. */
  seen: number;
  open: boolean;
}

const { WriteWrap, ShutdownWrap } = (
  process as unknown as { binding(name: string): Record<"WriteWrap" | "ShutdownWrap", new () => object> }
).binding("stream_wrap");

const handles = new Set<Handle>();
const turn = Buffer.concat(publications.map((text) => serverFrame("text", Buffer.from(text))));
const ok = serverFrame("text", Buffer.from("ok"));
const accepted = Buffer.from(
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
);
const closing = Buffer.from([0x88, 2, 0x03, 0xe8]);
const binary = 0x82;
const shared = Buffer.allocUnsafeSlow(256 * 1024);
const upgrade = Buffer.from("GET ");

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const listener = (server as unknown as { _handle: { onconnection(error: number, handle: Handle): void } })._handle;
  listener.onconnection = (error, handle) => {
    if (error !== 0) throw new Error(`Cannot accept: ${error}`);
    handle.setNoDelay(true);
    handle.useUserBuffer(shared);
    handle.seen = 0;
    handle.open = false;
    handle.onread = onRead;
    if (publishes) handles.add(handle);
    handle.readStart();
  };
  listening((server.address() as AddressInfo).port);
});

function onRead(this: Handle): void {
  const length = this.bytesRead - this.seen;
  this.seen += length;
  if (length === 0) return end(this);
  if (this.open) return shakeClose(this);
  if (shared.compare(upgrade, 0, upgrade.length, 0, upgrade.length) === 0) return shakeOpen(this);
  if (publishes && shared[0] !== binary) return publish();
  // A handle that sends what is binary gets that back, and nothing else.
  handles.delete(this);
  // The copy is needed: a write that does not complete at once refers to its bytes later.
  write(this, job === "sink" ? ok : Buffer.from(shared.subarray(0, length)));
}

function end(handle: Handle): void {
  handles.delete(handle);
  handle.close();
}

/** Only the rows of handshakes send an opening handshake. */
function shakeOpen(handle: Handle): void {
  handle.open = true;
  write(handle, accepted);
}

function shakeClose(handle: Handle): void {
  write(handle, closing);
  handle.shutdown(new ShutdownWrap());
}

/** Without a handshake the load cannot know that all its connections have been accepted. */
function publish(): void {
  if (handles.size < connections) setTimeout(publish, 10);
  else for (const subscriber of handles) write(subscriber, turn);
}

function write(handle: Handle, bytes: Uint8Array): void {
  handle.writeBuffer(new WriteWrap(), bytes);
}
