/** A TCP handle that was accepted and of which Node has made no socket, and the stream at its other end. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { HandleOwner } from "../../src/transport/handles/handle-transport.ts";
import type { TcpHandle } from "../../src/transport/handles/tcp-handle.ts";

/** What became of a handle. */
export class Owner implements HandleOwner {
  closing = 0;
  readonly became: Socket[] = [];

  handleClosing(): void {
    this.closing++;
  }

  handleBecame(socket: Socket): void {
    this.became.push(socket);
  }
}

/** Accepts one, of which nothing is read. */
export async function acceptedHandle(): Promise<{ handle: TcpHandle; far: Socket; owner: Owner }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const listening = (server as unknown as { _handle: { onconnection: (error: number, handle: TcpHandle) => void } })
    ._handle;
  const accepted = new Promise<TcpHandle>((resolve) => {
    listening.onconnection = (_, handle) => resolve(handle);
  });
  const { port } = server.address() as AddressInfo;
  const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const handle = await accepted;
  if (far.connecting) await once(far, "connect");
  server.close();
  return { handle, far, owner: new Owner() };
}
