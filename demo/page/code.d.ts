/** The text of declarations of a file, see vite.config.ts. */
declare module "*&code" {
  const text: string;
  export default text;
}
