/**
 * Bytes in every form in which a program may give them, read by the runtime's own getters.
 *
 * The properties of an object may lie, and a frame as long as they say would carry memory of others (fault D10).
 * Functions that begin with `view` never copy; those that begin with `copy` say when they do. Nothing here calls a
 * program's code.
 */

/** Getters of the runtime for one kind of view. */
interface ViewGetters {
  readonly buffer: (this: ArrayBufferView) => ArrayBufferLike;
  readonly byteOffset: (this: ArrayBufferView) => number;
  readonly byteLength: (this: ArrayBufferView) => number;
}

const typedArrayPrototype: object = Object.getPrototypeOf(Uint8Array.prototype);
const ofTypedArray = viewGetters(typedArrayPrototype);
const ofDataView = viewGetters(DataView.prototype);
const elementCount = getterOf<(this: Uint8Array) => number>(typedArrayPrototype, "length");
/** The name of a typed array's kind; undefined for a DataView and for anything else. */
const kindOfArray = getterOf<(this: unknown) => string | undefined>(typedArrayPrototype, Symbol.toStringTag);
const memoryLength = getterOf<(this: unknown) => number>(ArrayBuffer.prototype, "byteLength");

/** Returns how many elements a typed array really has. Throws a TypeError for what is no typed array. */
export function lengthOf(bytes: Uint8Array): number {
  try {
    return elementCount.call(bytes);
  } catch {
    throw new TypeError("Cannot send: the data is not a Uint8Array");
  }
}

/** Throws a TypeError for what is not made of bytes: its length would spoil the output. */
export function requireBytes(bytes: Uint8Array): void {
  if (bytes.BYTES_PER_ELEMENT !== 1) throw new TypeError("Cannot send: the data is not a Uint8Array");
}

/**
 * Returns the same memory as a plain Uint8Array that has no properties of its own. Throws a TypeError for other data.
 */
export function viewBytes(bytes: Uint8Array): Uint8Array {
  requireBytes(bytes);
  const length = lengthOf(bytes);
  return new Uint8Array(ofTypedArray.buffer.call(bytes), ofTypedArray.byteOffset.call(bytes), length);
}

/** Returns the memory under bytes of the library's own as a plain Uint8Array, without what a subclass adds. */
export function viewPlain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/**
 * Returns the bytes of an ArrayBuffer or of any view, without a copy; undefined for every other value.
 *
 * Throws a TypeError for memory that was transferred.
 */
export function viewSource(source: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(source)) {
    const getters = gettersOf(source);
    return new Uint8Array(
      getters.buffer.call(source),
      getters.byteOffset.call(source),
      getters.byteLength.call(source),
    );
  }
  return isArrayBuffer(source) ? new Uint8Array(source) : undefined;
}

/** Returns the memory of an ArrayBuffer or of any view: the ArrayBuffer or SharedArrayBuffer itself. */
export function memoryOf(source: ArrayBuffer | ArrayBufferView): ArrayBufferLike {
  return ArrayBuffer.isView(source) ? gettersOf(source).buffer.call(source) : source;
}

/** Whether the value is an ArrayBuffer, of whatever realm, and no SharedArrayBuffer. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  if (typeof value !== "object" || value === null) return false;
  try {
    return memoryLength.call(value) >= 0;
  } catch {
    return false;
  }
}

/**
 * Returns the bytes, copied if their ArrayBuffer holds more: then they can be transferred without taking others along.
 */
export function copyUnlessAlone(bytes: Uint8Array): Uint8Array {
  // The `slice` of a Buffer is a view.
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

function gettersOf(view: ArrayBufferView): ViewGetters {
  return kindOfArray.call(view) === undefined ? ofDataView : ofTypedArray;
}

function viewGetters(prototype: object): ViewGetters {
  return {
    buffer: getterOf(prototype, "buffer"),
    byteOffset: getterOf(prototype, "byteOffset"),
    byteLength: getterOf(prototype, "byteLength"),
  };
}

function getterOf<Getter>(prototype: object, name: string | symbol): Getter {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get as Getter;
}
