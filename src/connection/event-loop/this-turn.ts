/**
 * The present turn of the event loop, and what all connections have done in it.
 */

import { setImmediate } from "../../transport/scheduling.ts";

/** One turn of the event loop. */
export interface Turn {
  /** Milliseconds that long reads took in this turn, in all connections. */
  longReads: number;
}

let turn: Turn | undefined;

/** The present turn: the same object until the turn is over, and another one afterwards. */
export function thisTurn(): Turn {
  if (turn === undefined) {
    turn = { longReads: 0 };
    setImmediate(forgetTurn);
  }
  return turn;
}

function forgetTurn(): void {
  turn = undefined;
}
