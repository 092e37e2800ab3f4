/**
 * A schema as validators share it: the interface of Standard Schema, version 1, which zod, valibot, arktype and others have.
 *
 * It is declared here, so that the package needs none of them; https://standardschema.dev has the specification.
 */

/** A schema of any library: what it takes, and what it makes of that. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    /** The name of the library. */
    readonly vendor: string;
    /** Checks a value; a promise where the schema asks something that takes time. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** There for types alone. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The result of a check: the value, which the schema may have changed, or what is wrong. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  /** What is wrong, in the words of the schema's library. */
  readonly message: string;
  /** The keys that lead to the place, from the outermost on. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The type of the values that a schema takes. */
export type InputOf<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["input"];

/** The type of the values that a schema gives. */
export type OutputOf<Schema extends StandardSchema> = NonNullable<Schema["~standard"]["types"]>["output"];

/** Whether a value has the interface; a function may have it, too. */
export function isSchema(value: unknown): value is StandardSchema {
  const standard = (value as Partial<StandardSchema> | null | undefined)?.["~standard"];
  return typeof standard?.validate === "function";
}
