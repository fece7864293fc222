export type { Identity, IdentityOptions } from "./config/identity.ts";
export type { ClientAuth, SniAnswer, TlsServerOptions, TlsVersion } from "./config/options.ts";
export { DEFAULT_HANDSHAKE_MS, DEFAULT_HANDSHAKES_MAX } from "./config/options.ts";
export type { PemSource } from "./config/pem.ts";
export { reloadAll, TlsServerConfig } from "./config/server-config.ts";
export type { Choice, ServerContexts } from "./config/server-contexts.ts";
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
