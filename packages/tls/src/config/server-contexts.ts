// server-contexts.ts — the contexts of a TLS server: the one a connection begins with, and the one its server name asks for.
import { createHash } from "node:crypto";
import {
  type CertificateSource,
  openTicketRing,
  serverContext,
  type TicketRing,
  type TlsContext,
  type TlsContextOptions,
} from "../context.ts";
import type { Identity, IdentityOptions } from "./identity.ts";
import { NameCache } from "./name-cache.ts";
import { NameTable } from "./names.ts";
import {
  DEFAULT_SNI_CACHE_MAX,
  DEFAULT_SNI_CACHE_MS,
  DEFAULT_TICKET_ROTATE_MS,
  listOf,
  type SniAnswer,
  type TlsServerOptions,
} from "./options.ts";
import { readAll, type ServerMaterial, wipe } from "./server-material.ts";

/** unrecognized_name (RFC 6066 §3): the name is not served here. */
const UNRECOGNIZED_NAME = 112;
/** internal_error (RFC 8446 §6.2): sniCallback failed. */
const INTERNAL_ERROR = 80;

/** What a ClientHello gets: a context, or the alert that refuses it. */
export type Choice = TlsContext | number;

const VERSIONS = { "TLSv1.2": 0x0303, "TLSv1.3": 0x0304 } as const;

/** One state of the configuration; a reload makes another. */
export class ServerContexts {
  /** Begins every handshake; it alone decides about tickets. */
  readonly first: TlsContext;
  readonly #default: TlsContext | null;
  readonly #named = new NameTable<TlsContext>();
  readonly #asked: NameCache<TlsContext | null> | null;
  readonly #onMissing: "default" | "refuse";
  readonly #shared: TlsContextOptions;
  readonly #report: (error: Error) => void;

  /**
   * @param alpn protocols, best first.
   * @param report told when sniCallback failed; the client is refused.
   * @throws {TlsError} what OpenSSL refuses.
   */
  constructor(
    options: TlsServerOptions,
    material: ServerMaterial,
    alpn: readonly string[],
    now: () => number,
    report: (error: Error) => void,
  ) {
    const { identities, named } = material;
    const { sniCallback, unknownNames = "default" } = options;
    this.#report = report;
    this.#onMissing = unknownNames;
    this.#shared = sharedOptions(options, material, alpn);
    const clientHello = named.size > 0 || sniCallback !== undefined || unknownNames === "refuse";
    this.first = serverContext({ ...this.#shared, clientHello, certificates: identities.map(sourceOf) });
    this.#default = identities.length === 0 ? null : this.first;
    for (const [name, list] of named) this.#named.add(name, this.#contextOf(list));
    if (this.#default !== null) for (const name of identities[0].names) this.#named.add(name, this.#default);
    this.#asked =
      sniCallback === undefined
        ? null
        : new NameCache(
            async (name) => this.#read(name, await sniCallback(name)),
            options.sniCacheMs ?? DEFAULT_SNI_CACHE_MS,
            options.sniCacheMax ?? DEFAULT_SNI_CACHE_MAX,
            now,
          );
    wipe(identities);
    for (const list of named.values()) wipe(list);
  }

  /** @param name what the ClientHello asks for; null where it names nothing. A promise only where sniCallback has to be asked. */
  choose(name: string | null): Choice | Promise<Choice> {
    if (name === null || name === "") return this.#missing();
    const known = this.#named.find(name) ?? this.#asked?.known(name);
    if (known !== undefined && known !== null) return known;
    if (this.#asked === null || known === null) return this.#missing();
    return this.#asked.get(name).then(
      (context) => context ?? this.#missing(),
      (error: Error) => {
        this.#report(error);
        return INTERNAL_ERROR;
      },
    );
  }

  #missing(): Choice {
    return this.#onMissing === "refuse" || this.#default === null ? UNRECOGNIZED_NAME : this.#default;
  }

  async #read(name: string, answer: SniAnswer): Promise<TlsContext | null> {
    if (answer === null) return null;
    const identities = await readAll(listOf<IdentityOptions>(answer), `sniCallback("${name}")`, Date.now());
    const context = this.#contextOf(identities);
    wipe(identities);
    return context;
  }

  #contextOf(identities: readonly Identity[]): TlsContext {
    return serverContext({ ...this.#shared, certificates: identities.map(sourceOf) });
  }
}

const sourceOf = ({ chain, key, passphrase, ocsp }: Identity): CertificateSource => ({
  chain,
  key,
  passphrase: passphrase ?? undefined,
  ocsp: ocsp ?? undefined,
});

const sharedOptions = (
  options: TlsServerOptions,
  material: ServerMaterial,
  alpn: readonly string[],
): TlsContextOptions => {
  const { ca, crl } = material;
  const { minVersion = "TLSv1.2", maxVersion = "TLSv1.3", groups } = options;
  const verify = options.clientAuth ?? (ca.length > 0 ? "require" : "none");
  const { suites, ciphers } = splitCiphers(options.ciphers);
  return {
    alpn,
    ca,
    crl,
    verify,
    versionMin: VERSIONS[minVersion],
    versionMax: VERSIONS[maxVersion],
    ...(ciphers === null ? {} : { ciphers }),
    ...(suites === null ? {} : { ciphersuites: suites }),
    ...(groups === undefined ? {} : { groups }),
    sessionIdContext: verificationId(verify, ca, crl),
    tickets: options.tickets === false ? null : ticketRing(options, material),
  };
};

/** Names of TLS 1.3 suites from the others: OpenSSL takes them apart. Null = nothing was given. */
export const splitCiphers = (text: string | undefined): { suites: string | null; ciphers: string | null } => {
  const names = (text ?? "").split(":").filter((name) => name !== "");
  const suites = names.filter((name) => name.startsWith("TLS_")).join(":");
  const ciphers = names.filter((name) => !name.startsWith("TLS_")).join(":");
  return { suites: suites === "" ? null : suites, ciphers: ciphers === "" ? null : ciphers };
};

/** A session must not be resumed where its client would be verified otherwise than when it began. */
const verificationId = (verify: string, ca: readonly Uint8Array[], crl: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash("sha256").update(verify);
  for (const list of [ca, crl]) {
    hash.update(`\0${list.length}`);
    for (const pem of list) hash.update(`\0${pem.length}\0`).update(pem);
  }
  return hash.digest();
};

/** The ring that all workers of the process share; one of its own for those whose keys are given by the same sources. */
const ticketRing = (options: TlsServerOptions, { ticketKeys }: ServerMaterial): TicketRing => {
  const rotateS = Math.ceil((options.ticketRotateMs ?? DEFAULT_TICKET_ROTATE_MS) / 1000);
  const sources = listOf(options.ticketKeys).map((source) =>
    source instanceof Uint8Array ? createHash("sha256").update(source).digest("hex") : String(source),
  );
  const ring = openTicketRing(ticketKeys.length === 0 ? `random ${rotateS}` : `given ${JSON.stringify(sources)}`);
  if (ticketKeys.length === 0) ring.setPolicy(rotateS, 2 * rotateS);
  else ring.give(ticketKeys);
  ticketKeys.fill(0);
  return ring;
};
