/**
 * A cursor over the value of a header field, which fails in the words of `ws`: they name the index of what is wrong.
 *
 * `ws` is stricter than the handshake of the core, which follows RFC 9110: whitespace before the first element and
 * behind the last, and elements without a name, are errors here.
 */

/** The characters of a token, RFC 9110 section 5.6.2. */
const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]*/y;
const whitespace = /[ \t]*/y;

/** Reads a text from left to right, no character more than a fixed number of times. */
export class HeaderCursor {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Whether all of the text is read. */
  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Reads one character if it is the next one; whether it was. */
  skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  /** Reads the character that must come next. */
  require(character: string): void {
    if (!this.skip(character)) throw this.unexpected();
  }

  /** Reads the token that must come next, and the whitespace before it, which the text cannot begin with. */
  nextToken(): string {
    if (this.#at > 0) this.#read(whitespace);
    return this.#requireToken();
  }

  /** Reads the value of a parameter: a token, or a quoted one, of which every character may be escaped. */
  nextValue(): string {
    if (!this.skip('"')) return this.#requireToken();
    let value = this.#read(token);
    while (this.skip("\\")) {
      if (!this.#isTokenNext()) throw this.unexpected();
      value += this.#read(token);
    }
    if (value === "") throw this.unexpected();
    this.require('"');
    return value;
  }

  /** Reads the whitespace behind a token, with which the text cannot end. */
  skipTrailing(): void {
    if (this.#read(whitespace) !== "" && this.atEnd) throw this.unexpected();
  }

  /** The error of a text that cannot go on as it does. */
  unexpected(): SyntaxError {
    return new SyntaxError(this.atEnd ? "Unexpected end of input" : `Unexpected character at index ${this.#at}`);
  }

  #requireToken(): string {
    const found = this.#read(token);
    if (found === "") throw this.unexpected();
    return found;
  }

  #isTokenNext(): boolean {
    token.lastIndex = this.#at;
    return token.exec(this.#text)![0] !== "";
  }

  #read(kind: RegExp): string {
    kind.lastIndex = this.#at;
    const found = kind.exec(this.#text)![0];
    this.#at += found.length;
    return found;
  }
}
