/** What a peer that breaks a rule is told of: the error and the Close of each; `ws` is the control. */

import { Buffer } from "node:buffer";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { until } from "../../support/connection-pair.ts";
import { buildFrame, type WireFrame } from "../../support/wire.ts";
import { both } from "../implementations.ts";
import { openPair, socketOf } from "../pairs.ts";

const key = [1, 2, 3, 4] as const;
/** What a client sends, the error of its server, and the code of the Close that answers it. */
const faults: readonly (readonly [WireFrame[], name: string, code: string | undefined, text: string, close: number])[] =
  [
    [[{ opcode: 1, rsv: 2 }], "RangeError", "WS_ERR_UNEXPECTED_RSV_2_3", "RSV2 and RSV3 must be clear", 1002],
    [[{ opcode: 1, rsv: 4 }], "RangeError", "WS_ERR_UNEXPECTED_RSV_1", "RSV1 must be clear", 1002],
    [[{ opcode: 3 }], "RangeError", "WS_ERR_INVALID_OPCODE", "invalid opcode 3", 1002],
    [[{ opcode: 0 }], "RangeError", "WS_ERR_INVALID_OPCODE", "invalid opcode 0", 1002],
    [[{ opcode: 1, fin: false }, { opcode: 2 }], "RangeError", "WS_ERR_INVALID_OPCODE", "invalid opcode 2", 1002],
    [[{ opcode: 9, fin: false }], "RangeError", "WS_ERR_EXPECTED_FIN", "FIN must be set", 1002],
    [
      [{ opcode: 9, payload: Buffer.alloc(126) }],
      ...(["RangeError", "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", "invalid payload length 126", 1002] as const),
    ],
    [
      [{ opcode: 8, payload: "a" }],
      ...(["RangeError", "WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH", "invalid payload length 1", 1002] as const),
    ],
    [
      [{ opcode: 8, payload: Buffer.of(0x03, 0xed) }],
      ...(["RangeError", "WS_ERR_INVALID_CLOSE_CODE", "invalid status code 1005", 1002] as const),
    ],
    [
      [{ opcode: 8, payload: Buffer.of(0x03, 0xe8, 0xff) }],
      ...(["Error", "WS_ERR_INVALID_UTF8", "invalid UTF-8 sequence", 1007] as const),
    ],
    [[{ opcode: 1, payload: Buffer.of(0xff) }], "Error", "WS_ERR_INVALID_UTF8", "invalid UTF-8 sequence", 1007],
    [
      [{ opcode: 2, payload: Buffer.alloc(1025) }],
      ...(["RangeError", "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "Max payload size exceeded", 1009] as const),
    ],
  ];

describe.each(both)("a server of %s", (_, exports) => {
  test.each(faults.map((fault) => [`${fault[3]}, opcode ${fault[0].at(-1)!.opcode}`, fault] as const))(
    "says %s",
    async (_title, [frames, name, code, text, close]) => {
      const { client, server } = await openPair(exports, { maxPayload: 1024 });
      const errors: NodeJS.ErrnoException[] = [];
      server.on("error", (error) => errors.push(error));
      const closed = once(client, "close");
      socketOf(client).write(Buffer.concat(frames.map((frame) => buildFrame({ ...frame, key }))));
      expect((await closed)[0]).toBe(close);
      await until(() => server.readyState === 3);
      expect(errors.map((error) => [error.name, error.code])).toEqual([[name, code]]);
      expect(errors[0]!.message).toContain(text);
    },
  );

  test("says that a frame is not masked", async () => {
    const { client, server } = await openPair(exports);
    const failed = once(server, "error");
    socketOf(client).write(buildFrame({ opcode: 1 }));
    expect(String(await failed)).toBe("RangeError: Invalid WebSocket frame: MASK must be set");
  });

  test("has zlib's error for what does not inflate", async () => {
    const { client, server } = await openPair(exports, { perMessageDeflate: true });
    const failed = once(server, "error");
    const closed = once(client, "close");
    socketOf(client).write(buildFrame({ opcode: 1, rsv: 4, payload: Buffer.of(0xff, 0xff), key }));
    const [error] = (await failed) as [NodeJS.ErrnoException & { errno: number }];
    expect([error.code, error.errno]).toEqual(["Z_DATA_ERROR", -3]);
    expect((await closed)[0]).toBe(1007);
  });
});
