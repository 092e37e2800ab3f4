import { expect, test } from "vitest";
import { isBadPort } from "../../src/client/bad-ports.ts";

test("the ports of other protocols are bad, those of the web and all high ones are not [WHATWG-2.2-4]", () => {
  const bad = [0, 1, 7, 21, 22, 23, 25, 53, 69, 110, 137, 143, 161, 465, 554, 587, 993, 995, 1719, 1720, 1723, 2049];
  for (const port of [...bad, 4190, 5060, 5061, 6000, 6566, 6665, 6669, 6679, 6697, 10080]) {
    expect([port, isBadPort(port)]).toEqual([port, true]);
  }
  for (const port of [80, 443, 8080, 9998, 3000, 6664, 6670, 6001, 10081, 65535]) {
    expect([port, isBadPort(port)]).toEqual([port, false]);
  }
  expect(Array.from({ length: 65536 }, (_, port) => port).filter(isBadPort)).toHaveLength(83);
});
