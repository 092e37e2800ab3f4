/**
 * Functions of Node that are faster than what every runtime has, found once, when this module is loaded.
 *
 * No other file of the protocol names a runtime. In a browser or a worker there is no `process.getBuiltinModule`: every
 * native is then undefined, and the files beside this one use portable code.
 */

/** Methods of Node's `Buffer`. Each accepts any Uint8Array as `this`; all but `copy` are undocumented. */
export interface BufferMethods {
  readonly latin1Slice: (this: Uint8Array, start: number, end: number) => string;
  readonly utf8Slice: (this: Uint8Array, start: number, end: number) => string;
  readonly utf8Write: (this: Uint8Array, text: string, offset: number, length: number) => number;
  readonly copy: (this: Uint8Array, target: Uint8Array, targetStart: number, start: number, end: number) => number;
}

/** The class `Buffer` of Node, as far as the protocol uses it. */
export interface BufferClass {
  readonly prototype: Partial<BufferMethods>;
  allocUnsafeSlow(length: number): Uint8Array<ArrayBuffer>;
  byteLength(text: string): number;
  from(bytes: Uint8Array | string): Uint8Array<ArrayBuffer>;
  from(memory: ArrayBuffer): Uint8Array<ArrayBuffer>;
}

/** The module `node:buffer`, as far as the protocol uses it. */
interface BufferModule {
  readonly Buffer: BufferClass;
  readonly constants: { readonly MAX_STRING_LENGTH: number };
  isUtf8(bytes: Uint8Array): boolean;
}

/** The module `node:crypto`, as far as the protocol uses it. */
export interface CryptoModule {
  hash(algorithm: "sha1", text: string, encoding: "base64"): string;
  randomFillSync(target: Int32Array | Uint8Array): unknown;
}

/** A runtime that may hand out modules of Node: since Node 20.16, and other runtimes that imitate Node. */
interface Runtime {
  readonly process?: { getBuiltinModule?(name: string): object | undefined };
}

const { process } = globalThis as Runtime;

/** The module `node:buffer`; undefined where the runtime has none. */
export const nodeBuffer = process?.getBuiltinModule?.("node:buffer") as BufferModule | undefined;

/** The module `node:crypto`; undefined where the runtime has none. */
export const nodeCrypto = process?.getBuiltinModule?.("node:crypto") as CryptoModule | undefined;

/** The class `Buffer`; undefined where the runtime has none. */
export const bufferClass: BufferClass | undefined = nodeBuffer?.Buffer;

/** Methods of `Buffer` to be called on any Uint8Array; each is undefined where the runtime has none. */
export const bufferMethods: Partial<BufferMethods> = bufferClass?.prototype ?? {};
