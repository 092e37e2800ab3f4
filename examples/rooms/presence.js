// @ts-check
/** Who is in which room. One name may be there more than once, as with two windows of a browser. */
export class Presence {
  /** The names in each room that is not empty. @type {Map<string, string[]>} */
  #rooms = new Map();

  /** @param {string} room @returns {string[]} */
  in(room) {
    return [...new Set(this.#rooms.get(room))].sort();
  }

  /** @param {string} room @param {string} name */
  add(room, name) {
    this.#rooms.set(room, [...(this.#rooms.get(room) ?? []), name]);
  }

  /** @param {string} room @param {string} name */
  remove(room, name) {
    const names = this.#rooms.get(room) ?? [];
    const rest = names.toSpliced(names.indexOf(name), 1);
    if (rest.length > 0) this.#rooms.set(room, rest);
    else this.#rooms.delete(room);
  }
}
