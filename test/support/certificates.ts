/**
 * A chain of certificates made for one run with the openssl command: a root, what it signed, and one that nobody signed.
 *
 * Keys live in a new folder under the system's temporary one, which `remove` deletes.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate with its key, both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** What a test of TLS needs. */
export interface Certificates {
  /** The root that clients shall trust. */
  readonly ca: string;
  /** For `localhost`, `server.test`, 127.0.0.1 and ::1, with the intermediate that signed it. */
  readonly server: Certificate;
  /** For `other.test` alone. */
  readonly otherHost: Certificate;
  /** For the server's names, with an end in the past. */
  readonly expired: Certificate;
  /** For the server's names, signed by itself. */
  readonly selfSigned: Certificate;
  /** A client's. */
  readonly client: Certificate;
  /** The folder of the files; `server.pem` and `server.key` are the server's. */
  readonly folder: string;
  remove(): void;
}

const serverNames = "subjectAltName=DNS:localhost,DNS:server.test,IP:127.0.0.1,IP:::1";

/** Makes them; takes about a second. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "openline-certificates-"));
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const makeKey = (name: string) =>
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", `${name}.key`);

  const makeRoot = (name: string, extension: string) => {
    makeKey(name);
    const subject = ["-subj", `/CN=openline test ${name}`, "-days", "2", "-addext", extension];
    openssl("req", "-x509", "-new", "-key", `${name}.key`, ...subject, "-out", `${name}.pem`);
  };
  const sign = (name: string, extension: string, by: string, days = "2") => {
    makeKey(name);
    openssl("req", "-new", "-key", `${name}.key`, "-subj", `/CN=openline test ${name}`, "-out", `${name}.csr`);
    writeFileSync(join(folder, `${name}.ext`), `${extension}\n`);
    const signer = ["-CA", `${by}.pem`, "-CAkey", `${by}.key`, "-CAcreateserial", "-days", days];
    openssl("x509", "-req", "-in", `${name}.csr`, ...signer, "-extfile", `${name}.ext`, "-out", `${name}.pem`);
  };
  const pairOf = (name: string, signer = "") => ({ cert: read(`${name}.pem`) + signer, key: read(`${name}.key`) });

  makeRoot("root", "basicConstraints=critical,CA:TRUE");
  makeRoot("self-signed", serverNames);
  sign("intermediate", "basicConstraints=critical,CA:TRUE", "root");
  sign("server", serverNames, "intermediate");
  sign("other-host", "subjectAltName=DNS:other.test", "intermediate");
  sign("expired", serverNames, "intermediate", "-1");
  sign("client", "extendedKeyUsage=clientAuth", "root");
  const intermediate = read("intermediate.pem");
  return {
    ca: read("root.pem"),
    server: pairOf("server", intermediate),
    otherHost: pairOf("other-host", intermediate),
    expired: pairOf("expired", intermediate),
    selfSigned: pairOf("self-signed"),
    client: pairOf("client"),
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
