import { describe, expect, test } from "vitest";
import { reportClose } from "../../../src/connection/closing/close-report.ts";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { closeFrame } from "../../support/raw-peer.ts";
import { feed, frameFrom, peerOf } from "../../support/wire.ts";

const evidence = {
  initiator: "transport",
  error: undefined,
  lastReceivedAgo: 3000,
  bufferedAmount: 7,
  unsentMessages: 2,
} as const;

describe.each<Role>(["client", "server"])("the close report of a %s", (role) => {
  const receive = (endpoint: Endpoint, code?: number, reason?: string) =>
    feed(endpoint, frameFrom(peerOf(role), closeFrame(code, reason)));

  test("without any Close the code is 1006, and the phase open [R6455-7.1.5-1, G36]", () => {
    const error = new Error("Reset");
    expect(reportClose(new Endpoint({ role }), { ...evidence, error })).toEqual({
      code: 1006,
      reason: "",
      wasClean: false,
      initiator: "transport",
      phase: "open",
      error,
      lastReceivedAgo: 3000,
      bufferedAmount: 7,
      unsentMessages: 2,
    });
  });

  test("the code and the reason are those received [R6455-7.1.5-1, R6455-7.1.6-1, G36]", () => {
    const endpoint = new Endpoint({ role });
    receive(endpoint, 4001, "enough");
    endpoint.close(1000, "bye");
    expect(reportClose(endpoint, evidence)).toMatchObject({
      code: 4001,
      reason: "enough",
      wasClean: true,
      phase: "closing",
      received: { code: 4001, reason: "enough" },
      sent: { code: 1000, reason: "bye" },
    });
  });

  test("a Close without a code is 1005 [R6455-7.1.5-1]", () => {
    const endpoint = new Endpoint({ role });
    receive(endpoint);
    endpoint.echoClose();
    expect(reportClose(endpoint, evidence)).toMatchObject({ code: 1005, wasClean: true, sent: { code: 1005 } });
  });

  test("one Close alone is not clean [R6455-7.1.4-1]", () => {
    const sent = new Endpoint({ role });
    sent.close(1001);
    expect(reportClose(sent, evidence)).toMatchObject({ code: 1006, wasClean: false, phase: "closing" });
    const received = new Endpoint({ role });
    receive(received, 1001);
    expect(reportClose(received, evidence)).toMatchObject({ code: 1001, wasClean: false, phase: "closing" });
  });

  test("names the rule that the peer broke", () => {
    const endpoint = new Endpoint({ role });
    feed(endpoint, frameFrom(peerOf(role), { opcode: 3 }));
    expect(reportClose(endpoint, evidence)).toMatchObject({
      code: 1006,
      violation: "reserved-opcode",
      sent: { code: 1002 },
    });
  });
});
