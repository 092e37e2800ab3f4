/** How the openline peers compress: as by default, or with windows that last, as large as there are. */
const LASTING = {
  threshold: 0,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
} as const;

/** The `compression` option that the command line asks for. */
export const compression: true | typeof LASTING = process.argv.includes("takeover") ? LASTING : true;
