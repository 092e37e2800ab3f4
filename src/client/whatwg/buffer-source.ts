/**
 * The conversion of a BufferSource, an ArrayBuffer or a view of one, to its bytes, as Web IDL specifies it.
 */

import { types } from "node:util";

/** The runtime's own getters. The properties of an object may lie, and give out other memory (fault D10). */
interface ViewGetters {
  readonly buffer: (this: ArrayBufferView) => ArrayBufferLike;
  readonly byteOffset: (this: ArrayBufferView) => number;
  readonly byteLength: (this: ArrayBufferView) => number;
}

const ofTypedArray = viewGetters(Object.getPrototypeOf(Uint8Array.prototype));
const ofDataView = viewGetters(DataView.prototype);
const lengthOfBuffer = getterOf<(this: ArrayBuffer) => number>(ArrayBuffer.prototype, "byteLength");

/** The bytes of a BufferSource. Throws a TypeError for memory that is shared or that can be resized. */
export function bytesOf(source: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (!ArrayBuffer.isView(source)) return bytesIn(source, 0, lengthOfBuffer.call(source));
  const own = types.isDataView(source) ? ofDataView : ofTypedArray;
  const buffer = own.buffer.call(source);
  // A DataView of transferred memory throws for its place.
  if (!types.isSharedArrayBuffer(buffer) && lengthOfBuffer.call(buffer) === 0) return new Uint8Array(0);
  return bytesIn(buffer, own.byteOffset.call(source), own.byteLength.call(source));
}

function bytesIn(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  if (types.isSharedArrayBuffer(buffer)) throw new TypeError("Cannot send: the memory is shared");
  if ((buffer as { resizable?: boolean }).resizable) throw new TypeError("Cannot send: the buffer can be resized");
  // Transferred memory is empty, and no view can be made of it.
  return length === 0 ? new Uint8Array(0) : new Uint8Array(buffer, offset, length);
}

function viewGetters(prototype: object): ViewGetters {
  return {
    buffer: getterOf(prototype, "buffer"),
    byteOffset: getterOf(prototype, "byteOffset"),
    byteLength: getterOf(prototype, "byteLength"),
  };
}

function getterOf<Getter>(prototype: object, name: string): Getter {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get as Getter;
}
