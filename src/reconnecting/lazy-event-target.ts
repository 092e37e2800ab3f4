/**
 * An `EventTarget` that looks for its base class when the first object is made: a module that extends the global would
 * touch it when it is loaded, which must not happen where a page is rendered on a server.
 */

/** The members that `EventTarget` brings. */
export interface LazyEventTarget extends EventTarget {}

/** See the head of this file. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the constructor puts the members in the prototype chain
export class LazyEventTarget {
  constructor() {
    Object.setPrototypeOf(LazyEventTarget.prototype, EventTarget.prototype);
    // Node looks at the class, too.
    Object.setPrototypeOf(LazyEventTarget, EventTarget);
    // biome-ignore lint/correctness/noConstructorReturn: an object of EventTarget, with the prototype of the class called
    return Reflect.construct(EventTarget, [], new.target);
  }
}
