/**
 * What becomes of connections when the proxy in front of the server is reloaded or stopped: the table of
 * docs/guides/deployment.md.
 *
 * @module-tag slow
 */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import type { Connection } from "../../../src/connection/connection.ts";
import type { Server } from "../../../src/server/server.ts";
import { freePort, startProgram } from "../../support/program.ts";
import { describeWith } from "../../support/real-parts.ts";
import { afterwards, serving } from "../../support/serving.ts";

/** A proxy that tells the server by a header how often it was configured. */
interface Proxy {
  readonly port: number;
  signal(signal: NodeJS.Signals): void;
  /** Writes the configuration of the next generation and has the proxy read it; resolves when new connections have it. */
  reload(): Promise<void>;
}

interface Places {
  readonly folder: string;
  readonly port: number;
  readonly backend: number;
  readonly generation: number;
  /** Whether what is old ends after a second, whatever connections it has. */
  readonly bounded: boolean;
}

interface Kind {
  readonly executable: string;
  readonly reloads: NodeJS.Signals;
  arguments(folder: string): readonly string[];
  configuration(places: Places): string;
}

const nginx = (executable: string): Kind => ({
  executable,
  reloads: "SIGHUP",
  arguments: (folder) => ["-p", folder, "-e", "stderr", "-c", join(folder, "conf")],
  configuration({ folder, port, backend, generation, bounded }) {
    const names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    return `daemon off; worker_processes 1; ${bounded ? "worker_shutdown_timeout 1s;" : ""} pid ${folder}/pid; error_log stderr; events {}
http {
  access_log off;
  ${names.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${backend};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header X-Generation ${generation};
    }
  }
}
`;
  },
});

const haproxy = (executable: string): Kind => ({
  executable,
  reloads: "SIGUSR2",
  arguments: (folder) => ["-W", "-f", join(folder, "conf")],
  configuration: ({ port, backend, generation, bounded }) => `global
  ${bounded ? "hard-stop-after 1s" : ""}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  timeout check 30s
frontend web
  bind 127.0.0.1:${port}
  http-request set-header X-Generation ${generation}
  default_backend openline
backend openline
  option httpchk GET /readyz
  server one 127.0.0.1:${backend} check inter 1s fall 1
`,
});

async function behind(kind: Kind, bounded = false): Promise<{ readonly proxy: Proxy; readonly server: Server }> {
  const server: Server = await serving({
    request: (_, response) => void response.writeHead(server.accepting ? 200 : 503).end(),
    routes: {
      "/": {
        upgrade: ({ request }) => ({ data: String(request.headers["x-generation"]) }),
        message: (connection) => void connection.send(`${connection.data}`),
      },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), "proxy-"));
  const port = await freePort();
  let generation = 1;
  const write = () => {
    writeFileSync(
      join(folder, "conf"),
      kind.configuration({ folder, port, backend: server.port, generation, bounded }),
    );
  };
  write();
  const { process: child } = await startProgram(kind.executable, kind.arguments(folder), port);
  const exited = once(child, "exit");
  // On Deno a child's own `kill` sends the first signal only.
  const signal = (name: NodeJS.Signals): void => void process.kill(child.pid!, name);
  afterwards(async () => {
    // Its workers would outlive a master that is killed.
    if (child.exitCode === null && child.signalCode === null) signal("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true });
  });
  const proxy: Proxy = {
    port,
    signal,
    async reload() {
      generation++;
      write();
      // HAProxy hears no signal while it starts.
      do signal(kind.reloads);
      while (!(await reaches(proxy, `${generation}`, 3000)));
    },
  };
  return { proxy, server };
}

const open = ({ port }: Proxy): Promise<Connection> =>
  connect(`ws://127.0.0.1:${port}/`, { keepalive: false, serialize: false });

/** The generation of the proxy through which the connection goes. */
async function ask(connection: Connection): Promise<string> {
  connection.send("?");
  for await (const data of connection) return String(data);
  throw new Error("The connection has ended");
}

/** Whether new connections go through that generation before so many milliseconds are over. */
async function reaches(proxy: Proxy, generation: string, within: number): Promise<boolean> {
  const tried = async (): Promise<string> => {
    const connection = await open(proxy);
    const answer = await ask(connection);
    connection.close();
    return answer;
  };
  for (const deadline = Date.now() + within; Date.now() < deadline; await delay(20)) {
    if ((await tried().catch(() => "")) === generation) return true;
  }
  return false;
}

async function expectStaysOverReload(kind: Kind): Promise<void> {
  const { proxy } = await behind(kind);
  expect(await reaches(proxy, "1", 30_000)).toBe(true);
  const connection = await open(proxy);
  await proxy.reload();
  expect(await ask(connection)).toBe("1");
  connection.close();
  expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
}

async function expectCutAfterReload(kind: Kind): Promise<void> {
  const { proxy } = await behind(kind, true);
  expect(await reaches(proxy, "1", 30_000)).toBe(true);
  const connection = await open(proxy);
  await proxy.reload();
  expect(await connection.closed).toMatchObject({ code: 1006, initiator: "transport" });
}

describeWith("nginx", "nginx", (executable) => {
  test("that is reloaded leaves connections with its old worker", () => expectStaysOverReload(nginx(executable)));

  test("that is reloaded ends them once worker_shutdown_timeout has passed", () => {
    return expectCutAfterReload(nginx(executable));
  });

  test("that quits refuses new connections and leaves those that it has; that stops ends them without a Close", async () => {
    const { proxy } = await behind(nginx(executable));
    const connection = await open(proxy);
    proxy.signal("SIGQUIT");
    await expect.poll(() => open(proxy).catch(({ cause }) => cause.code), { timeout: 30_000 }).toBe("ECONNREFUSED");
    expect(await ask(connection)).toBe("1");
    proxy.signal("SIGTERM");
    expect(await connection.closed).toMatchObject({ code: 1006, initiator: "transport" });
  });
});

describeWith("haproxy", "HAProxy", (executable) => {
  test("that is reloaded leaves connections with its old process", () => expectStaysOverReload(haproxy(executable)));

  test("that is reloaded ends them once hard-stop-after has passed", () => expectCutAfterReload(haproxy(executable)));

  test("passes on the Close of a server that drains, and sends new clients away meanwhile", async () => {
    const { proxy, server } = await behind(haproxy(executable));
    expect(await reaches(proxy, "1", 30_000)).toBe(true);
    const [first, second] = [await open(proxy), await open(proxy)];
    const drained = server.drain({ over: 3000, deadline: 20_000 });
    await expect.poll(() => open(proxy).catch(({ status }) => status), { timeout: 30_000 }).toBe(503);
    for (const connection of [first, second]) {
      expect(await connection.closed).toMatchObject({ code: 1012, initiator: "peer", wasClean: true });
    }
    await drained;
  });
});
