/**
 * WebAssembly, where the runtime has it.
 */

import { decodeBase64 } from "./base64.ts";

/** The part of WebAssembly that is used; the types of Node do not have it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/**
 * Compiles a module that imports nothing, at once, and returns what it exports; undefined where the runtime has no
 * WebAssembly, not what the module needs of it, or no memory.
 */
export function instantiate<Exports>(moduleBase64: string): Exports | undefined {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(decodeBase64(moduleBase64))).exports as Exports;
  } catch {
    return undefined;
  }
}
