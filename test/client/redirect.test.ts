/** Redirects, which are followed only on request and carry no secret along, and the cookie jar (C12, R6455-4.1-21). */
import { connect as netConnect } from "node:net";
import type { TLSSocket } from "node:tls";
import { inspect } from "node:util";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type ConnectOptions, type CookieJar, connect, HandshakeError } from "../../src/index.ts";
import { makeCertificates } from "../support/certificates.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../support/outcomes.ts";
import { type Answer, acceptance, type RawServer, type RawServerOptions, rawServer } from "../support/raw-server.ts";

const certificates = makeCertificates();
const { ca } = certificates;
const opened: { close(): unknown }[] = [];

leavesNothing();
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});
afterAll(() => certificates.remove());

async function serveRaw(answer: Answer, options?: RawServerOptions): Promise<RawServer> {
  const server = await rawServer(answer, options);
  opened.push(server);
  return server;
}

function redirect(location: string, status = 302, fields = ""): string {
  return `HTTP/1.1 ${status} Moved\r\nLocation: ${location}\r\n${fields}Content-Length: 0\r\n\r\n`;
}

/** Answers each path with the location that the table has for it, others with a 101. */
const along =
  (locations: Readonly<Record<string, string>>): Answer =>
  (request) =>
    request.target in locations ? redirect(locations[request.target]!) : acceptance(request);

async function opens(url: string, options: ConnectOptions): Promise<void> {
  const connection = await connect(url, options);
  connection.terminate();
  await connection.closed;
}

const failure = (url: string, options: ConnectOptions) => handshakeErrorOf(connect(url, options));

const secrets = { Authorization: "Bearer x", Cookie: "a=b", "X-Api-Key": "y" };

/** The secrets that a request carried. */
function secretsIn(server: RawServer, index: number): string[] {
  const names = ["authorization", "cookie", "x-api-key"];
  return names.filter((name) => server.requests[index]!.values(name).length > 0);
}

describe("followRedirects", () => {
  it("an unusable Location shows its password nowhere [C21]", async () => {
    const server = await serveRaw(() => redirect("ws://user:secret@ h/"));
    const error = await failure(`ws://127.0.0.1:${server.port}/`, { followRedirects: 1 });
    const { headers, ...rest } = error;
    expect(headers.join()).toContain("secret");
    expect(inspect([rest, error.message, error.stack, error.cause], { showHidden: true, depth: 9 })).not.toContain(
      "secret",
    );
  });

  it("all hops share one handshakeTimeout", async () => {
    let count = 0;
    const server = await serveRaw((_, socket) => {
      count++;
      setTimeout(() => socket.end(redirect("/again")), 60);
      return undefined;
    });
    const error = await failure(`ws://127.0.0.1:${server.port}/`, { followRedirects: 20, handshakeTimeout: 200 });
    expect([error.rule, error.message]).toEqual(["timed-out", expect.stringContaining("it had 200 ms")]);
    expect(count).toBeLessThanOrEqual(4);
  });

  it.each([21, Number.POSITIVE_INFINITY, 0.5])("cannot be %s", async (followRedirects) => {
    await expect(connect("ws://127.0.0.1:1/", { followRedirects })).rejects.toThrow(
      new RangeError(`Cannot connect: followRedirects must be a whole number from 0 to 20, not ${followRedirects}`),
    );
  });

  it.each([301, 302, 303, 307, 308])("follows a %i with the same request and a fresh key", async (status) => {
    const server = await rawServer((request) =>
      request.target === "/a" ? redirect("b?c", status) : acceptance(request),
    );
    await opens(`ws://127.0.0.1:${server.port}/a`, {
      followRedirects: 1,
      headers: secrets,
      subprotocols: [],
      origin: "http://o",
    });
    const [first, second] = server.requests;
    expect(second!.target).toBe("/b?c");
    expect(secretsIn(server, 1)).toEqual(["authorization", "cookie", "x-api-key"]);
    expect(second!.values("origin")).toEqual(["http://o"]);
    expect(second!.values("sec-websocket-key")).not.toEqual(first!.values("sec-websocket-key"));
    await server.close();
  });

  it("follows as many redirects as it says and no more", async () => {
    const server = await serveRaw(along({ "/1": "/2", "/2": "/3", "/3": "/4" }));
    const url = `ws://127.0.0.1:${server.port}/1`;
    await opens(url, { followRedirects: 3 });
    expect(server.requests.map(({ target }) => target)).toEqual(["/1", "/2", "/3", "/4"]);
    const error = await failure(url, { followRedirects: 2 });
    expect([error.rule, error.status]).toEqual(["status-not-101", 302]);
    expect(error.headers.slice(0, 2)).toEqual(["Location", "/4"]);
  });

  it.each([300, 304, 306, 399])("does not follow a %i", async (status) => {
    const server = await serveRaw(() => redirect("/other", status));
    expect((await failure(`ws://127.0.0.1:${server.port}/`, { followRedirects: 5 })).status).toBe(status);
    expect(server.requests).toHaveLength(1);
  });

  it("does not follow a 302 without a location", async () => {
    const server = await serveRaw(() => "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    expect((await failure(`ws://127.0.0.1:${server.port}/`, { followRedirects: 5 })).status).toBe(302);
  });

  it.each(["ftp://127.0.0.1/", "ws://a b/", "/path#fragment", "javascript:alert(1)"])(
    "fails with status-not-101 for the location %s",
    async (location) => {
      const server = await serveRaw(() => redirect(location));
      const error = await failure(`ws://127.0.0.1:${server.port}/`, { followRedirects: 5 });
      expect(error).toMatchObject({ rule: "status-not-101", status: 302 });
      expect(error.message).toMatch(/302 to an unusable URL$/);
      expect(error.cause).toBeInstanceOf(HandshakeError);
    },
  );

  it("sends no possible secret to another host, nor when it is sent back [C12]", async () => {
    const first = await serveRaw((request) =>
      request.target === "/a" ? redirect(`http://127.0.0.1:${second.port}/b`) : acceptance(request),
    );
    const second: RawServer = await serveRaw((request) =>
      request.target === "/b" ? redirect(`ws://user:pass@127.0.0.1:${first.port}/c`) : acceptance(request),
    );
    const url = `ws://us:er@127.0.0.1:${first.port}/a`;
    await opens(url, { followRedirects: 2, headers: { ...secrets, Host: "h.test" } });
    expect(secretsIn(first, 0)).toEqual(["authorization", "cookie", "x-api-key"]);
    expect(secretsIn(second, 0)).toEqual([]);
    expect(second.requests[0]!.values("host")).toEqual([`127.0.0.1:${second.port}`]);
    // The second server gives credentials for the first; they are not the caller's.
    expect(first.requests[1]!.values("authorization")).toEqual([
      `Basic ${Buffer.from("user:pass").toString("base64")}`,
    ]);
    expect(first.requests[1]!.values("x-api-key")).toEqual([]);
  });

  it("sends no possible secret where another host redirects to itself [C12]", async () => {
    const second = await serveRaw(along({ "/b": "/c" }));
    const first = await serveRaw(() => redirect(`ws://127.0.0.1:${second.port}/b`));
    await opens(`ws://127.0.0.1:${first.port}/`, { followRedirects: 2, headers: secrets });
    expect([secretsIn(second, 0), secretsIn(second, 1)]).toEqual([[], []]);
  });

  it("keeps the URL's credentials on the same host alone [C12]", async () => {
    const other = await serveRaw(along({}));
    const server: RawServer = await serveRaw(along({ "/a": "/b", "/b": `//127.0.0.1:${other.port}/c` }));
    await opens(`ws://us:er@127.0.0.1:${server.port}/a`, { followRedirects: 2 });
    expect([secretsIn(server, 0), secretsIn(server, 1), secretsIn(other, 0)]).toEqual([
      ["authorization"],
      ["authorization"],
      [],
    ]);
  });

  it("sends no possible secret in plain text [C12]", async () => {
    const plain = await serveRaw(along({}));
    const server = await serveRaw((request) => redirect(`ws://same.test/${request.target}`), {
      tls: certificates.server,
    });
    const tls = { ca, servername: "server.test" };
    const createConnection: ConnectOptions["createConnection"] = ({ secure }) =>
      netConnect(secure ? server.port : plain.port, "127.0.0.1");
    await opens("wss://same.test/", { followRedirects: 1, headers: secrets, tls, createConnection });
    expect(secretsIn(server, 0)).toEqual(["authorization", "cookie", "x-api-key"]);
    expect(secretsIn(plain, 0)).toEqual([]);
  });

  it("keeps the header fields from plain text to TLS on the same host", async () => {
    const secured = await serveRaw(along({}), { tls: certificates.server });
    const server = await serveRaw(() => redirect("wss://server.test/b"));
    const createConnection: ConnectOptions["createConnection"] = ({ secure }) =>
      netConnect(secure ? secured.port : server.port, "127.0.0.1");
    await opens("ws://server.test/a", { followRedirects: 1, headers: secrets, tls: { ca }, createConnection });
    expect(secretsIn(secured, 0)).toEqual(["authorization", "cookie", "x-api-key"]);
  });

  it("shows the client's certificate to the first host alone [C12]", async () => {
    const shown: (string | undefined)[] = [];
    const note = (socket: TLSSocket) =>
      shown.push((socket.getPeerCertificate().subject as { CN?: string } | undefined)?.CN);
    const tls = { ...certificates.server, ca, requestCert: true, rejectUnauthorized: false };
    const second = await serveRaw(
      (request, socket) => {
        note(socket as TLSSocket);
        return acceptance(request);
      },
      { tls },
    );
    const first = await serveRaw(
      (_, socket) => {
        note(socket as TLSSocket);
        return redirect(`wss://127.0.0.1:${second.port}/`);
      },
      { tls },
    );
    await opens(`wss://127.0.0.1:${first.port}/`, {
      followRedirects: 1,
      tls: { ca, ...certificates.client, servername: "server.test" },
    });
    expect(shown).toEqual(["openline test client", undefined]);
  });

  it("stays on a socket path for its own host, and does not leave it", async () => {
    const path = `${certificates.folder}/s`;
    const server = await serveRaw(along({ "/a": "/b", "/c": "ws://other.test/" }), { path });
    await opens("ws://server.test/a", { followRedirects: 1, socketPath: path });
    expect((await failure("ws://server.test/c", { followRedirects: 1, socketPath: path })).status).toBe(302);
    expect(server.requests.map(({ target }) => target)).toEqual(["/a", "/b", "/c"]);
  });
});

/** A jar that keeps every cookie for every URL, except for one that it refuses. */
function makeJar(): CookieJar & { readonly asked: string[]; readonly stored: string[] } {
  const stored: string[] = [];
  const asked: string[] = [];
  return {
    asked,
    stored,
    getCookieString: async (url) => {
      asked.push(url);
      return stored.map((cookie) => cookie.split(";")[0]).join("; ");
    },
    setCookie: async (cookie, url) => {
      if (cookie.startsWith("bad")) throw new Error("Not for this domain");
      stored.push(`${cookie}; from ${url}`);
    },
  };
}

describe("cookieJar", () => {
  it("gives and stores the cookies of each step, also of redirects and refusals [G62 R6455-4.1-28]", async () => {
    const cookieJar = makeJar();
    const server = await serveRaw((request) => {
      if (request.target === "/a") return redirect("/b", 302, "Set-Cookie: one=1; Path=/\r\nSet-Cookie: bad=1\r\n");
      if (request.target === "/c") return "HTTP/1.1 403 No\r\nSet-Cookie: three=3\r\nContent-Length: 0\r\n\r\n";
      return acceptance(request, { "Set-Cookie": ["two=2", "bad=2"] });
    });
    const url = `ws://127.0.0.1:${server.port}`;
    await opens(`${url}/a`, { followRedirects: 1, cookieJar, headers: { cookie: "own=0" } });
    await failure(`${url}/c`, { cookieJar });
    const http = `http://127.0.0.1:${server.port}`;
    expect(cookieJar.asked).toEqual([`${http}/a`, `${http}/b`, `${http}/c`]);
    expect(cookieJar.stored).toEqual([
      `one=1; Path=/; from ${http}/a`,
      `two=2; from ${http}/b`,
      `three=3; from ${http}/c`,
    ]);
    expect(server.requests.map((request) => request.values("cookie"))).toEqual([
      ["own=0"],
      ["own=0; one=1"],
      ["one=1; two=2"],
    ]);
  });

  it("fails the connection with its own error when it cannot give its cookies", async () => {
    const server = await serveRaw(along({}));
    const error = new Error("The jar is broken");
    const cookieJar: CookieJar = { getCookieString: () => Promise.reject(error), setCookie: () => undefined };
    await expect(connect(`ws://127.0.0.1:${server.port}/`, { cookieJar })).rejects.toBe(error);
    expect(server.accepted).toBe(0);
  });
});
