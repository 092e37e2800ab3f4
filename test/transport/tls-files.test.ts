import { expect, test } from "vitest";
import { checkPem } from "../../src/transport/tls-files.ts";

const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

test.each([
  {},
  { ca: pem, cert: Buffer.from(pem), key: [{ pem, passphrase: "x" }, Buffer.from("any")] },
  { ca: [pem, undefined, `a comment before it\n${pem}`], crl: pem },
  { pfx: "0\u0082\u0001", passphrase: "any", servername: "a.pem" },
])("takes PEM as text or bytes, alone or in lists: %#", (tls) => {
  expect(() => checkPem("serve", tls)).not.toThrow();
});

test.each([
  ["cert", "/etc/tls/cert.pem"],
  ["key", ["key.pem"]],
  ["key", [{ pem: "key.pem" }]],
  ["ca", [pem, "ca.pem"]],
  ["crl", "crl.pem"],
  ["cert", ""],
])("names tls.%s for %j, and does not show the value", (name, value) => {
  const check = () => checkPem("serve", { [name]: value });
  expect(check).toThrow(
    new TypeError(
      `Cannot serve: tls.${name} must be the PEM text, which begins with "-----BEGIN", not the path of a file: readFileSync(path) reads it`,
    ),
  );
});

test.each(["/etc/tls/server.p12", [{ buf: "server.p12", passphrase: "x" }]])(
  "names tls.pfx for the path in %j",
  (pfx) => {
    expect(() => checkPem("connect", { pfx })).toThrow(
      new TypeError("Cannot connect: tls.pfx must be the bytes, not the path of a file: readFileSync(path) reads them"),
    );
  },
);
