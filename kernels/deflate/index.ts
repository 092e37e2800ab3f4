/**
 * The module: compresses and inflates one short message at a time, within its own memory of four pages.
 *
 * It knows no connection, keeps nothing between calls, and allocates nothing.
 */
import { makeFixedCodes } from "./deflater";
import { makeFixedTables } from "./inflater";

export { deflate } from "./deflater";
export { inflate } from "./inflater";
export { input, output } from "./memory";

makeFixedCodes();
makeFixedTables();
