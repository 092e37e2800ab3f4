/** The two programs for Autobahn|Testsuite, run against a stand-in for the tool that speaks its control protocol. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { type RawData, WebSocket, WebSocketServer } from "ws";

const folder = fileURLToPath(new URL("../../conformance/autobahn/", import.meta.url));
const ended: (() => void)[] = [];

afterEach(() => {
  for (const end of ended.splice(0)) end();
});

function run(program: string, ...args: string[]): { child: ChildProcess; output: string[] } {
  const child = spawn(process.execPath, ["--import", "tsx", `${folder}${program}`, ...args]);
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => output.push(text.toString()));
  ended.push(() => child.kill());
  return { child, output };
}

test("the server echoes text and binary, compressed or not [G104]", async () => {
  const { child, output } = run("server.ts");
  await once(child.stdout!, "data");
  const url = output.join("").trim();
  for (const perMessageDeflate of [true, false]) {
    const client = new WebSocket(url, { perMessageDeflate });
    await once(client, "open");
    expect(client.extensions).toBe(perMessageDeflate ? "permessage-deflate" : "");
    for (const data of ["text", Buffer.alloc(100_000, 7)]) {
      client.send(data);
      const [echo, binary] = (await once(client, "message")) as [Buffer, boolean];
      expect([echo.equals(Buffer.from(data)), binary]).toEqual([true, typeof data !== "string"]);
    }
    client.close(1000);
    await once(client, "close");
  }
});

test("the client asks for the number of cases, runs each, however it ends, and has the report written", async () => {
  const tool = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true });
  await once(tool, "listening");
  ended.push(() => tool.close());
  const requests: string[] = [];
  const echoes: string[] = [];
  tool.on("connection", (socket, { url = "", socket: stream }) => {
    requests.push(url);
    socket.on("error", () => {});
    socket.on("message", (data: RawData) => {
      echoes.push(`${socket.extensions} ${data}`);
      if (url.includes("case=1&")) socket.close(1000);
      else if (url.includes("case=2&")) socket.terminate();
    });
    if (url === "/getCaseCount") socket.send("3", () => socket.close());
    else if (url.startsWith("/updateReports")) socket.close();
    // A message and a frame that breaks a rule in one chunk: the message is echoed all the same.
    else if (url.includes("case=3&")) stream.write(Buffer.from("810161910162", "hex"));
    else socket.send("echo me");
  });
  const { child, output } = run("client.ts", `ws://127.0.0.1:${(tool.address() as AddressInfo).port}`, "a b");
  const [exitCode] = await once(child, "exit");
  expect([exitCode, output.join("")]).toEqual([0, "3 cases run as a b\n"]);
  expect(requests).toEqual([
    "/getCaseCount",
    "/runCase?case=1&agent=a%20b",
    "/runCase?case=2&agent=a%20b",
    "/runCase?case=3&agent=a%20b",
    "/updateReports?agent=a%20b",
  ]);
  expect(echoes).toEqual(["permessage-deflate echo me", "permessage-deflate echo me", "permessage-deflate a"]);
});

test("the client refuses to start without a URL", async () => {
  const { child, output } = run("client.ts");
  const [exitCode] = await once(child, "exit");
  expect(exitCode).toBe(1);
  expect(output.join("")).toContain("Cannot run the cases: the first argument is not the fuzzing server's URL");
});
