/**
 * Pongs that answer the peer's Pings, RFC 6455 sections 5.5.2 and 5.5.3.
 *
 * While the transport is stalled, only the latest Ping is kept, to be answered later: a peer that sends Pings and reads
 * nothing costs no memory for each of them (fault A03).
 */

import { finBit, Opcode } from "../frames/frame.ts";
import { encodeFrame } from "../frames/frame-encoder.ts";
import type { EndpointRecord } from "./record.ts";

/** Answers a Ping, or keeps its payload while the transport is stalled. A Ping is answered also after our own Close. */
export function answerPing(endpoint: EndpointRecord, payload: Uint8Array): void {
  if (!endpoint.stalled) sendPong(endpoint, payload);
  else if (endpoint.latestPing?.length === payload.length) endpoint.latestPing.set(payload);
  else endpoint.latestPing = new Uint8Array(payload);
}

/** Puts the Pong that is owed into the output. */
export function sendOwedPong(endpoint: EndpointRecord): void {
  const { latestPing } = endpoint;
  if (latestPing === undefined) return;
  sendPong(endpoint, latestPing);
  endpoint.latestPing = undefined;
}

/** Returns how many bytes the Pong that is owed will take on the wire; 0 when none is owed. */
export function owedPongLength({ latestPing, settings }: EndpointRecord): number {
  if (latestPing === undefined) return 0;
  const headerLength = settings.role === "client" ? 6 : 2;
  return headerLength + latestPing.length;
}

function sendPong(endpoint: EndpointRecord, payload: Uint8Array): void {
  encodeFrame(endpoint.openOutput(), endpoint.settings.role, finBit | Opcode.Pong, payload);
}
