export {
  alpnWire,
  type CertificateSource,
  clientContext,
  DEFAULT_CIPHERS,
  DEFAULT_CIPHERSUITES,
  DEFAULT_GROUPS,
  openTicketRing,
  type SecureContext,
  serverContext,
  type TicketRing,
  TlsContext,
  type TlsContextOptions,
} from "./context.ts";
export { TLS_ERRORS, TlsError, type TlsErrorCode, type TlsErrorDetail } from "./errors.ts";
