/**
 * A protocol between the application and its connection: it keeps messages of its own to itself, and changes those of the
 * application on their way so that none is taken for its own.
 */

import type { MessageEvent, PartEvent } from "../../protocol/endpoint/endpoint-events.ts";

/** See the head of this file. */
export interface MessageLayer {
  /** Whether a message of its own has to come first: it is read although nobody asks for messages. */
  readonly isDue: boolean;
  /** What a message, or a part of one, that came is for the application; undefined where it is not. */
  arrived(event: MessageEvent | PartEvent): MessageEvent | PartEvent | undefined;
  /** The same when it is about to be handed over. What it throws ends the connection. */
  handedOver(data: string | Uint8Array): string | Uint8Array | undefined;
  /** What is sent for a text of the application's. */
  sent(text: string): string;
}
