// alerts.ts — what an error is called that OpenSSL or the peer's alert reports (RFC 8446 §6).
import type { SessionInfo } from "@percore/native/tls";
import { TlsError, type TlsErrorCode } from "../errors.ts";

const ALERTS: Readonly<Record<number, string>> = {
  0: "close_notify",
  10: "unexpected_message",
  20: "bad_record_mac",
  22: "record_overflow",
  40: "handshake_failure",
  42: "bad_certificate",
  43: "unsupported_certificate",
  44: "certificate_revoked",
  45: "certificate_expired",
  46: "certificate_unknown",
  47: "illegal_parameter",
  48: "unknown_ca",
  49: "access_denied",
  50: "decode_error",
  51: "decrypt_error",
  70: "protocol_version",
  71: "insufficient_security",
  80: "internal_error",
  86: "inappropriate_fallback",
  90: "user_canceled",
  100: "no_renegotiation",
  109: "missing_extension",
  110: "unsupported_extension",
  112: "unrecognized_name",
  113: "bad_certificate_status_response",
  115: "unknown_psk_identity",
  116: "certificate_required",
  120: "no_application_protocol",
};

export const ALERT_UNRECOGNIZED_NAME = 112;
const ALERT_NO_APPLICATION_PROTOCOL = 120;
const CLOSE_NOTIFY = 0;
/** X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_MISMATCH, _IP_ADDRESS_MISMATCH. */
const NAME_MISMATCHES: readonly number[] = [62, 63, 64];

export const alertName = (alert: number): string => ALERTS[alert] ?? `alert ${alert}`;

export interface Failed {
  /** OpenSSL's words. */
  readonly reason: string;
  readonly alertSent: number;
  readonly alertReceived: number;
  readonly established: boolean;
  readonly info: SessionInfo | null;
}

export const failure = (failed: Failed): TlsError => {
  const sent = failed.alertSent > CLOSE_NOTIFY ? failed.alertSent : null;
  const received = failed.alertReceived > CLOSE_NOTIFY ? failed.alertReceived : null;
  const [code, message] = describe(failed, sent, received);
  return new TlsError(code, message, { alertSent: sent, alertReceived: received });
};

const describe = (failed: Failed, sent: number | null, received: number | null): [TlsErrorCode, string] => {
  const { info, reason } = failed;
  const told = received === null ? "" : `the peer sent the alert ${alertName(received)}`;
  if (received === ALERT_NO_APPLICATION_PROTOCOL || sent === ALERT_NO_APPLICATION_PROTOCOL)
    return ["ERR_TLS_ALPN", "no application protocol in common"];
  if (received === ALERT_UNRECOGNIZED_NAME) return ["ERR_TLS_SERVER_NAME", told];
  if (sent === ALERT_UNRECOGNIZED_NAME)
    return ["ERR_TLS_SERVER_NAME", "the name the client asks for is not served here"];
  if (received !== null) return ["ERR_TLS_PEER_ALERT", told];
  if (failed.established) return ["ERR_TLS_RECORD", reason];
  if (info !== null && info.verifyError !== 0) {
    const code = NAME_MISMATCHES.includes(info.verifyError) ? "ERR_TLS_HOST" : "ERR_TLS_VERIFY";
    return [code, `the peer's certificate: ${info.verifyReason}`];
  }
  if (reason === "peer did not return a certificate") return ["ERR_TLS_VERIFY", "the peer showed no certificate"];
  return ["ERR_TLS_HANDSHAKE", reason];
};
