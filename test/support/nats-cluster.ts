/** A cluster of three NATS servers with JetStream, each with routes to the others. */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { eventually } from "./eventually.ts";
import { NatsServer } from "./nats-server.ts";
import { freePort } from "./program.ts";

const count = 3;

/** See the head of this file. */
export class NatsCluster {
  readonly servers: readonly NatsServer[];

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  /** Starts it, and waits until it can make streams on all of its servers. */
  static async start(executable: string): Promise<NatsCluster> {
    const ports = await Promise.all(Array.from({ length: count }, freePort));
    const routes = ports.map((port) => `"nats-route://127.0.0.1:${port}"`).join(", ");
    const starting = ports.map((port, index) => {
      const own = `cluster { name: openline, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
      return NatsServer.start(executable, `server_name: n${index}\n${own}`);
    });
    const cluster = new NatsCluster(await Promise.all(starting));
    await eventually(() => cluster.#canMakeStreams());
    return cluster;
  }

  /** Where its servers are, that of this number first. */
  addresses(first: number): string[] {
    const all = this.servers.map(({ port }) => `127.0.0.1:${port}`);
    return [...all.slice(first), ...all.slice(0, first)];
  }

  /** The server that leads a stream, and the two others. */
  async leaderOf(stream: string): Promise<{ leader: NatsServer; others: NatsServer[] }> {
    let name: string | undefined;
    await eventually(async () => {
      const { cluster } = await this.#ask<{ cluster?: { leader?: string } }>(`STREAM.INFO.${stream}`);
      name = cluster?.leader;
      return name;
    });
    const leader = this.servers[Number(name!.slice(1))]!;
    return { leader, others: this.servers.filter((server) => server !== leader) };
  }

  /** Resolves when all of its servers have what the stream has. */
  async isWhole(stream: string): Promise<void> {
    type Answer = { cluster?: { leader?: string; replicas?: { current: boolean }[] } };
    await eventually(async () => {
      const { leader, replicas = [] } = (await this.#ask<Answer>(`STREAM.INFO.${stream}`)).cluster ?? {};
      return leader && replicas.length === count - 1 && replicas.every(({ current }) => current);
    });
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  async #canMakeStreams(): Promise<boolean> {
    const name = "ready";
    const made = await this.#ask(`STREAM.CREATE.${name}`, { name, subjects: [name], num_replicas: count });
    if (made.error) return false;
    return (await this.#ask(`STREAM.DELETE.${name}`)).error === undefined;
  }

  /** What the cluster answers; an error where it does not. */
  async #ask<Answer>(what: string, question: object = {}): Promise<Answer & { readonly error?: unknown }> {
    let connection: NatsConnection | undefined;
    try {
      connection = await connect({ servers: this.addresses(0), timeout: 1000 });
      return (await connection.request(`$JS.API.${what}`, JSON.stringify(question), { timeout: 2000 })).json();
    } catch (error) {
      return { error } as Answer & { readonly error: unknown };
    } finally {
      await connection?.close();
    }
  }
}
