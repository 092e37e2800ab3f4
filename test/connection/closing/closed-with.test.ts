import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import { WebSocket } from "../../../src/client/whatwg/websocket.ts";
import { closedWith } from "../../../src/connection/closing/closed-with.ts";
import { CloseCode } from "../../../src/protocol/close-code.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { connectionPair } from "../../support/connection-pair.ts";
import { serving } from "../../support/serving.ts";

describe.each<Role>(["client", "server"])("closedWith, as %s", (role) => {
  test.each([
    [4000, 4000],
    [undefined, CloseCode.NoStatusReceived],
  ])("a Close with %s is that of the peer [G3 G4 G105]", async (sent, code) => {
    const { connection, peer } = await connectionPair(role);
    peer.close(sent);
    peer.end();
    const report = await connection.closed;
    expect(closedWith(report, code)).toBe(true);
    expect(closedWith(report, CloseCode.NormalClosure, code)).toBe(true);
    expect(closedWith(report, CloseCode.NormalClosure, CloseCode.GoingAway)).toBe(false);
    expect(closedWith(report)).toBe(false);
  });

  test("an end without a Close is 1006, whatever was the matter [G3 G4 G17]", async () => {
    const { connection, peer } = await connectionPair(role);
    peer.reset();
    expect(closedWith(await connection.closed, CloseCode.AbnormalClosure)).toBe(true);
  });
});

test.each([undefined, null, Promise.resolve({ code: 1000 }), { code: "1000" }, 1000])(
  "closedWith takes nothing that has no code: %s",
  (report) => {
    expect(() => closedWith(report as never, 1000)).toThrow(/^Cannot tell the close code: .*`await connection.closed`/);
  },
);

test("closedWith takes the event of a WebSocket as well [G3]", async () => {
  const { port } = await serving({ port: 0, routes: { "/": { open: (connection) => connection.close(4001) } } });
  const [event] = (await once(new WebSocket(`ws://127.0.0.1:${port}/`), "close")) as [{ code: number }];
  expect(closedWith(event, 4001)).toBe(true);
  const { closed } = await connect(`ws://127.0.0.1:${port}/`);
  expect(closedWith(await closed, 4001)).toBe(true);
});
