/** What the cases on a request have in common. */
import type { HeadOptions } from "../case.ts";

/** A requirement on servers. */
export const server = { roles: ["server"], level: "must" } as const;

/** The name of the key's field. */
export const KEY = "Sec-WebSocket-Key";
/** The name of the version's field. */
export const VERSION = "Sec-WebSocket-Version";
/** The key of the example in section 1.3. */
export const SAMPLE = "dGhlIHNhbXBsZSBub25jZQ==";

/** The plain request with another value for one field. */
export const replaced = (name: string, value: string): HeadOptions => ({ replace: { [name]: value } });

/** The plain request with more fields. */
export const extra = (...fields: (readonly [string, string])[]): HeadOptions => ({ extra: fields });
