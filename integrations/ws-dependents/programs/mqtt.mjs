/** mqtt.js to mosquitto over WebSocket: every QoS, binary, large messages, a will, and coming back. */
import { deepStrictEqual } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { done, listen, same, until } from "./kit.mjs";

async function freePort() {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}
const [plain, port] = [await freePort(), await freePort()];
const folder = mkdtempSync(join(tmpdir(), "mosquitto-"));
// Of itself it does not start with WebSocket listeners alone.
const settings = `user root\nallow_anonymous true\nlistener ${plain} 127.0.0.1\nlistener ${port} 127.0.0.1\nprotocol websockets\n`;
writeFileSync(join(folder, "mosquitto.conf"), settings);
const broker = spawn(process.env.MOSQUITTO, ["-c", join(folder, "mosquitto.conf")], { stdio: "ignore" });
const accepts = () =>
  new Promise((resolve) => {
    const socket = connectSocket(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.unref();
    setImmediate(() => socket.on("connect", () => socket.destroy()));
  });
try {
  await until(accepts);
  const url = `ws://127.0.0.1:${port}`;
  const subscriber = await mqtt.connectAsync(url);
  const will = { topic: "will", payload: Buffer.from("gone"), qos: 1 };
  const publisher = await mqtt.connectAsync(url, { will, reconnectPeriod: 0 });
  const heard = [];
  subscriber.on("message", (topic, payload) => heard.push([topic, payload]));
  await subscriber.subscribeAsync(["data/#", "will"], { qos: 2 });
  // mosquitto takes seconds to hand on what is longer.
  const sent = ["", "text", "é".repeat(20_000), Uint8Array.of(0, 255), Buffer.alloc(70_000, 7)].map((data) =>
    Buffer.from(data),
  );
  for (const [index, payload] of sent.entries())
    await publisher.publishAsync(`data/${index}`, payload, { qos: index % 3 });
  await until(() => heard.length === sent.length);
  const byTopic = new Map(heard);
  for (const [index, payload] of sent.entries()) same(byTopic.get(`data/${index}`), payload);
  // Without a word of goodbye, as its cable was cut.
  publisher.stream.destroy();
  await until(() => heard.length === sent.length + 1);
  deepStrictEqual(heard.at(-1), ["will", Buffer.from("gone")]);
  const back = once(subscriber, "connect");
  subscriber.stream.destroy();
  await back;
  await subscriber.publishAsync("data/last", "after", { qos: 2 });
  await until(() => heard.at(-1)[0] === "data/last");
  await Promise.all([publisher.endAsync(true), subscriber.endAsync()]);
} finally {
  broker.kill();
  await once(broker, "exit");
  rmSync(folder, { recursive: true });
}
done();
