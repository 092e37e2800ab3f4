/**
 * The certificate of the servers in the rows over TLS, made anew with the openssl command for each run of the bench.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { workFolder } from "./peers.ts";
import { worksHere } from "./processes.ts";

/** The names of two files in PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

let made: CertificateFiles | undefined;

/** Makes the certificate at the first call. Throws an Error where there is no openssl. */
export function certificateFiles(): CertificateFiles {
  if (made) return made;
  if (!worksHere("openssl", ["version"])) throw new Error("There is no openssl here, which makes the certificate");
  const files = { cert: `${workFolder}certificate.pem`, key: `${workFolder}key.pem` };
  mkdirSync(workFolder, { recursive: true });
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", files.key, "-out", files.cert], { stdio: "pipe" });
  made = files;
  return files;
}
