export type { Identity, IdentityOptions } from "./config/identity.ts";
export type { ClientAuth, SniAnswer, TlsServerOptions, TlsVersion } from "./config/options.ts";
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
export { rootContext } from "./root-context.ts";
export {
  type SelectContext,
  TlsAcceptor,
  type TlsAcceptorOptions,
  type TlsAcceptorStats,
  type TlsDone,
} from "./stream/acceptor.ts";
export type { Clock } from "./stream/clock.ts";
export { connectTls, type TlsConnectOptions } from "./stream/connect.ts";
export type { TlsDetails } from "./stream/details.ts";
export type { HandshakeLimits } from "./stream/handshake-gate.ts";
export { SessionCache } from "./stream/session-cache.ts";
export { TlsStream } from "./stream/tls-stream.ts";
