/** Numbers that programs give as options, in as few bytes as a page can spare. */

/**
 * The options with the defaults of those that are undefined; throws a RangeError for one that has a default and is no
 * number from 1 on. `Infinity` is one.
 */
export function withDefaults<Options extends object, Numbers extends Readonly<Record<string, number>>>(
  given: Options,
  defaults: Numbers,
): Options & Numbers {
  const settings = { ...given } as Record<string, unknown>;
  for (const name in defaults) {
    settings[name] ??= defaults[name];
    if ((settings[name] as number) >= 1) continue;
    throw new RangeError(`Cannot connect: ${name} must be at least 1, not ${settings[name]}`);
  }
  return settings as Options & Numbers;
}
