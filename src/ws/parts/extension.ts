/** `extension` of `ws`: `Sec-WebSocket-Extensions` to and from objects, RFC 6455 section 9.1. */

import { HeaderCursor } from "./header-cursor.ts";

/** The parameters of one offer of an extension: the values of each, in order, `true` for one without a value. */
export type ExtensionParameters = Record<string, (string | true)[]>;

/** The parameters of an extension as they may be written: one value or a list of them. */
export type FormattedParameters = Readonly<
  Record<string, string | number | boolean | readonly (string | number | boolean)[]>
>;

/** Reads and writes the header field `Sec-WebSocket-Extensions`. */
export const extension: {
  /**
   * Returns the offers of each extension, by its name, in wire order. Throws a SyntaxError for what breaks the grammar.
   */
  parse(header: string): Record<string, ExtensionParameters[]>;
  /** Returns the value of the field for extensions by name, each with one set of parameters or a list of such sets. */
  format(extensions: Readonly<Record<string, FormattedParameters | readonly FormattedParameters[]>>): string;
} = { parse, format };

function parse(header: string): Record<string, ExtensionParameters[]> {
  const offers: Record<string, ExtensionParameters[]> = Object.create(null);
  const cursor = new HeaderCursor(header);
  do {
    const name = cursor.nextToken();
    cursor.skipTrailing();
    const parameters: ExtensionParameters = Object.create(null);
    while (cursor.skip(";")) readParameter(cursor, parameters);
    add(offers, name, parameters);
  } while (goesOn(cursor));
  return offers;
}

function readParameter(cursor: HeaderCursor, parameters: ExtensionParameters): void {
  const name = cursor.nextToken();
  add(parameters, name, cursor.skip("=") ? cursor.nextValue() : true);
  cursor.skipTrailing();
}

/** Whether a comma announces another element. */
function goesOn(cursor: HeaderCursor): boolean {
  if (cursor.atEnd) return false;
  cursor.require(",");
  return true;
}

function add<Value>(lists: Record<string, Value[]>, name: string, value: Value): void {
  lists[name] ??= [];
  lists[name].push(value);
}

function format(extensions: Parameters<typeof extension.format>[0]): string {
  return Object.entries(extensions)
    .flatMap(([name, offers]) => listOf(offers).map((parameters) => formatOffer(name, parameters)))
    .join(", ");
}

function formatOffer(name: string, parameters: FormattedParameters): string {
  const written = Object.entries(parameters).flatMap(([key, values]) =>
    listOf(values).map((value) => (value === true ? key : `${key}=${value}`)),
  );
  return [name, ...written].join("; ");
}

function listOf<Value>(given: Value | readonly Value[]): readonly Value[] {
  return Array.isArray(given) ? given : [given as Value];
}
