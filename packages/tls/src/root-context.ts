// root-context.ts — a client's context that trusts what node trusts. Its 140-odd certificates are parsed once per set of options.
import { rootCertificates } from "node:tls";
import { clientContext, type TlsContext, type TlsContextOptions } from "./context.ts";

/**
 * A client context with node's root certificates (`tls.rootCertificates`) beside those in `ca`.
 *
 * Making one takes some 10 ms: keep it and use it for all connections.
 * @throws {TlsError} as `clientContext`.
 */
export const rootContext = (options: TlsContextOptions = {}): TlsContext =>
  clientContext({ ...options, ca: [...rootCertificates, ...(options.ca ?? [])] });
