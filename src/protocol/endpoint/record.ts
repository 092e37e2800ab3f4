/**
 * Everything that one endpoint remembers: receiving, sending and closing meet in this object and nowhere else.
 *
 * Most connections are idle, so what is needed only while bytes are under way is held only then: decoder and output
 * come from pools and go back to them.
 */

import type { CloseStatus } from "../close-payload.ts";
import type { FrameDecoder } from "../frames/frame-decoder.ts";
import { giveOutput, type OutputBuffer, takeOutput } from "../frames/output-buffer.ts";
import type { MessageAssembler } from "../messages/message-assembler.ts";
import type { Violation } from "../protocol-error.ts";
import type { EndpointSettings } from "./endpoint-options.ts";
import { type EndpointState, type Transition, transitions } from "./endpoint-state.ts";

/** A frame that broke a rule by its header or, a Close, by its payload. */
export interface BrokenFrame {
  /** FIN, RSV1 to RSV3 and the opcode. */
  readonly firstByte: number;
  /** The payload's length in bytes, as the header says. */
  readonly payloadLength: number;
  /** The payload of a Close; undefined where it did not come to that. */
  readonly payload?: Uint8Array;
}

/** Why a connection failed. */
export interface Failure {
  /** The first rule whose breach failed it. */
  readonly violation: Violation;
  /** The frame that broke the rule; undefined where no single frame did. */
  readonly frame: BrokenFrame | undefined;
}

/** The state of one endpoint. The functions beside this file work on it; users see it as an `Endpoint`. */
export class EndpointRecord {
  /** Those of all connections of a route, until one of them gets a limit of its own. */
  settings: EndpointSettings;

  /** The state of the connection; only `move` changes it. */
  state: EndpointState = "open";
  /** The status in our Close frame; undefined until that is in the output. */
  closeSent: CloseStatus | undefined;
  /** The status in the peer's Close frame; undefined until that has come. */
  closeReceived: CloseStatus | undefined;
  /** Why the connection failed; undefined while it has not. */
  failure: Failure | undefined;
  /** Whether the connection failed between two events, so that the next call of `nextEvent` reports the failure. */
  failureUnreported = false;

  /** Whether messages that begin from now on are handed on in parts. */
  streaming = false;
  /** The decoder; undefined while no byte is unparsed and no frame is incomplete. */
  decoder: FrameDecoder | undefined;
  /** The message of which some frames have come; undefined between messages. */
  message: MessageAssembler | undefined;
  /** The first part of a control frame's payload, when its rest has not come; undefined otherwise. */
  controlPart: Uint8Array | undefined;
  /** The compressed message whose `inflate` event waits for its answer; undefined otherwise. */
  inflating: { readonly text: boolean; readonly length: number } | undefined;

  /** Whether the transport takes nothing at present. */
  stalled = false;
  /** The payload of the latest Ping that came while the transport was stalled; undefined when no Pong is owed. */
  latestPing: Uint8Array | undefined;
  /** The output; undefined while there is none and nothing of it is in flight. */
  output: OutputBuffer | undefined;
  /** Whether a fragmented message of ours has begun and not ended. */
  sendingFragments = false;

  constructor(settings: EndpointSettings) {
    this.settings = settings;
  }

  /** The first rule whose breach failed the connection; undefined while it has not failed. */
  get violation(): Violation | undefined {
    return this.failure?.violation;
  }

  /** Whether received bytes are still parsed: the peer may send until its Close has come. */
  get isParsing(): boolean {
    return this.state === "open" || this.state === "closing";
  }

  /** Whether frames may still be sent: until our own Close. */
  get isSending(): boolean {
    return this.state === "open" || this.state === "peerClosing";
  }

  /** Moves to where the table of states leads; a transition that the table does not have changes nothing. */
  move(transition: Transition): void {
    this.state = transitions[this.state][transition] ?? this.state;
  }

  /** Lets go of all that was received and not delivered, and of the Pong that is owed: nothing more will be parsed. */
  stopParsing(): void {
    this.decoder = undefined;
    this.message?.discard();
    this.message = undefined;
    this.controlPart = undefined;
    this.latestPing = undefined;
  }

  /** Returns the output, to add to it. */
  openOutput(): OutputBuffer {
    if (this.output === undefined) {
      this.output = takeOutput();
      this.output.maskingKey = this.settings.maskingKey;
    }
    return this.output;
  }

  /** Drops the output that was not taken. */
  clearOutput(): void {
    this.output?.clear();
    this.releaseOutput();
  }

  /** Gives an output that is as good as new back to the pool. */
  releaseOutput(): void {
    const { output } = this;
    if (output === undefined || !output.asNew) return;
    this.output = undefined;
    giveOutput(output);
  }
}
