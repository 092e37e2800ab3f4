/**
 * Certificates and keys that are given as the names of their files, where Node takes what is in them.
 *
 * Node passes over a `ca` without a certificate in silence, and of the others OpenSSL says "no start line".
 */

/** The options of TLS that hold PEM, alone or in a list; a key in a list may be an object with its own passphrase. */
const pemOptions = ["ca", "cert", "crl", "key"] as const;

/**
 * Throws a TypeError when text in one of the options is no PEM, or text in `pfx` is no PKCS #12; the value is not
 * shown, since it may be a key.
 */
export function checkPem(action: string, tls: object): void {
  for (const name of pemOptions) {
    for (const value of [(tls as Readonly<Record<string, unknown>>)[name]].flat()) {
      const pem: unknown = typeof value === "object" && value !== null && "pem" in value ? value.pem : value;
      if (typeof pem !== "string" || pem.includes("-----BEGIN")) continue;
      throw new TypeError(
        `Cannot ${action}: tls.${name} must be the PEM text, which begins with "-----BEGIN", ` +
          `not the path of a file: readFileSync(path) reads it`,
      );
    }
  }
  for (const value of [(tls as { readonly pfx?: unknown }).pfx].flat()) {
    const pfx: unknown = typeof value === "object" && value !== null && "buf" in value ? value.buf : value;
    // The first bytes of each are a length and a version.
    if (typeof pfx !== "string" || /\p{Cc}/u.test(pfx)) continue;
    throw new TypeError(
      `Cannot ${action}: tls.pfx must be the bytes, not the path of a file: readFileSync(path) reads them`,
    );
  }
}
