/**
 * Close codes, RFC 6455 section 7.4: their names, and which of them may be on the wire.
 *
 * Pages import the names alone, so that nothing else is in this file.
 */

/** The registered close codes (RFC 6455 section 7.4.1 and the IANA registry), by name. */
export const CloseCode = {
  NormalClosure: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  /** A Close frame without a code. This code is never on the wire. */
  NoStatusReceived: 1005,
  /** A connection that ended without a Close frame. This code is never on the wire. */
  AbnormalClosure: 1006,
  InvalidFramePayloadData: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014,
  /** A TLS handshake that failed. This code is never on the wire. */
  TlsHandshake: 1015,
} as const;

/** Whether `code` may stand in a Close frame (RFC 6455 section 7.4). */
export function isSendableCloseCode(code: number): boolean {
  if (code >= 3000) return Number.isInteger(code) && code <= 4999;
  return (
    (code >= 1000 && code <= 1003 && Number.isInteger(code)) || (code >= 1007 && code <= 1014 && Number.isInteger(code))
  );
}
