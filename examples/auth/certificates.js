// @ts-check
/**
 * An authority of our own, a certificate for the server and one for a client, made by openssl for a week. They lie in the
 * folder certificates, or where CERTIFICATES says.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = process.env.CERTIFICATES ?? fileURLToPath(new URL("certificates", import.meta.url));

/** The PEM texts `<name>.pem` and `<name>.key`. @param {string} name */
export function readCertificate(name) {
  const read = (/** @type {string} */ file) => readFileSync(join(folder, file), "utf8");
  return { ca: read("authority.pem"), cert: read(`${name}.pem`), key: read(`${name}.key`) };
}

/** Makes them where there are none, or old ones. */
export function makeCertificates() {
  const made = statSync(join(folder, "client.pem"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - made < 6 * 24 * 3600 * 1000) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  openssl(`req -x509 ${newKey} -keyout authority.key -out authority.pem -days 7 -subj`, "/CN=Example authority");
  sign("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  sign("client", "/CN=Ada's machine", "extendedKeyUsage=clientAuth");

  /** @param {string} name @param {string} subject @param {string} extension */
  function sign(name, subject, extension) {
    openssl(`req ${newKey} -keyout ${name}.key -out ${name}.csr -subj`, subject);
    writeFileSync(join(folder, `${name}.ext`), extension);
    const authority = "-CA authority.pem -CAkey authority.key -CAcreateserial";
    openssl(`x509 -req -in ${name}.csr ${authority} -days 7 -extfile ${name}.ext -out ${name}.pem`);
  }
}

/** @param {string} words @param {string[]} more */
function openssl(words, ...more) {
  try {
    execFileSync("openssl", [...words.split(" "), ...more], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
    console.error("Cannot make certificates: the program openssl is missing. Install it, as by apt install openssl");
    process.exit(1);
  }
}
