/** All rows of the matrix, in the order of their ids. */
import type { Row } from "../row.ts";
import { COMPRESSION_ROWS } from "./compression.ts";
import { FRAME_ROWS } from "./frames.ts";
import { HANDSHAKE_ROWS } from "./handshake.ts";
import { LIFE_ROWS } from "./life.ts";

/** All rows. */
export const ROWS: readonly Row[] = [...FRAME_ROWS, ...COMPRESSION_ROWS, ...HANDSHAKE_ROWS, ...LIFE_ROWS];
