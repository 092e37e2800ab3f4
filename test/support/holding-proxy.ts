/**
 * A TCP proxy that can hold back what its connections send, as a network that is cut does: the sender gives its connection up,
 * and what it had sent arrives later all the same.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

interface Passage {
  readonly near: Socket;
  readonly far: Socket;
  held: Buffer[] | undefined;
}

/** See the head of this file. */
export class HoldingProxy {
  readonly #server: Server;
  readonly #passages: Passage[] = [];

  private constructor(target: number) {
    this.#server = createServer((near) => this.#pass(near, connect(target, "127.0.0.1")));
  }

  /** Starts a proxy for the server at the port of this host. */
  static async start(target: number): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The connections that there are now pass nothing on; later ones do. */
  hold(): void {
    for (const passage of this.#passages) passage.held = [];
  }

  /** How many bytes are held. */
  get held(): number {
    return this.#passages.reduce((sum, { held = [] }) => sum + Buffer.concat(held).length, 0);
  }

  /** What was held arrives, and its connections end; resolves when the server has closed them. */
  async release(): Promise<void> {
    const held = this.#passages.filter((passage) => passage.held !== undefined);
    await Promise.all(
      held.map(async ({ far, held: chunks }) => {
        if (far.closed) return;
        far.end(Buffer.concat(chunks!));
        if (!far.closed) await once(far, "close");
      }),
    );
  }

  /** Resets the connections that there are now. */
  cut(): void {
    for (const { near, far } of this.#passages.splice(0)) for (const socket of [near, far]) socket.resetAndDestroy();
  }

  /** Ends everything. */
  close(): void {
    this.#server.close();
    this.cut();
  }

  #pass(near: Socket, far: Socket): void {
    const passage: Passage = { near, far, held: undefined };
    this.#passages.push(passage);
    near.on("error", () => {}).on("close", () => passage.held ?? far.destroy());
    far.on("error", () => {}).on("close", () => near.destroy());
    near.on("data", (chunk) => void (passage.held?.push(chunk) ?? far.write(chunk)));
    far.on("data", (chunk) => passage.held ?? near.write(chunk));
  }
}
