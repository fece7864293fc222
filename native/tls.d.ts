// @percore/native/tls — TLS sessions by the OpenSSL that node carries, between ranges of the arena. No policy.
//
// An engine serves one arena. A session is a number; nothing of it is garbage collected but by `close`. All calls are made on
// the thread that made the engine. OpenSSL's error queue is empty before and after each of them.

/**
 * Positions of the words that `run` reads and writes, its bits, and its limits. Offsets and lengths are bytes in the arena;
 * ranges outside of it count as empty.
 */
export declare const TLS: {
  // — asked —
  readonly handle: number;
  /** Sum of `read`, `smallRecords`, `updateKeys`, `write` and `shutdown`; carried out in this order. */
  readonly actions: number;
  /**
   * Ciphertext received. The range is the session's for the call: plaintext is written over it, from its start, as far as records
   * lie whole in it.
   */
  readonly inOffset: number;
  readonly inLength: number;
  /** Room for the plaintext of a record that began in an earlier input. Only needed where `needsSpill` asked for it. */
  readonly spillOffset: number;
  readonly spillLength: number;
  /** Room for ciphertext: handshake flights, alerts, records. */
  readonly outOffset: number;
  readonly outLength: number;
  /** How many of the ranges at `parts` are to be encrypted. */
  readonly partCount: number;
  // — answered —
  /** Bytes of the input that were taken. Less than given only with `needsRoom`, `needsSpill` or `awaitsContext`. */
  readonly inUsed: number;
  /** Plaintext from `inOffset` on. It comes after what is in the spill. */
  readonly plainLength: number;
  readonly spillUsed: number;
  readonly outUsed: number;
  /** Bytes of the parts that were encrypted. Less than given where there was no room for another record. */
  readonly taken: number;
  /** Length of the record that has arrived in part: 0 = none, -1 = not even that is known. */
  readonly partial: number;
  /** The last alert's number (RFC 8446 §6) each way, or -1. */
  readonly alertSent: number;
  readonly alertReceived: number;
  /** First of `partsMax` pairs of offset and length. */
  readonly parts: number;
  readonly partsMax: number;
  /** Words in all. */
  readonly words: number;

  // — actions —
  /** Takes the input; goes on with the handshake also where there is none (a client's first flight). */
  readonly read: number;
  /** Encrypts the parts. */
  readonly write: number;
  /** Writes close_notify, once. */
  readonly shutdown: number;
  /** The next records are small, as at the start: the peer shall have something early. */
  readonly smallRecords: number;
  /** TLS 1.3: a KeyUpdate that asks the peer for new keys too (RFC 8446 §4.6.3). Otherwise nothing. */
  readonly updateKeys: number;

  // — what `run` returns, a sum —
  /** The handshake is complete. Stays set. */
  readonly established: number;
  /** close_notify has come; what follows it is dropped. Stays set. */
  readonly peerClosed: number;
  /** There was no room in the output: call again with the rest of the input. */
  readonly needsRoom: number;
  /** Call again with a spill of `partial` bytes (16 KiB do always) and the rest of the input. */
  readonly needsSpill: number;
  /** A ClientHello waits for `choose`. */
  readonly awaitsContext: number;
  /** `takeSession` has something. */
  readonly hasSessions: number;
  /** It is over; `failure` says why. An alert may be in the output. Stays set. */
  readonly failed: number;

  // — limits, bytes —
  /** Plaintext of one record at most. */
  readonly recordBytesMax: number;
  /** Room in the output that each record needs beyond its plaintext. */
  readonly recordOverheadMax: number;
  /** Plaintext of each of the first four records of a burst. */
  readonly smallRecordBytes: number;
};

/** Version of node's OpenSSL: 0xMNN00PP0L, as OpenSSL_version_num() has it. */
export declare const opensslVersion: number;

export interface CertificateSource {
  /** PEM: the certificate, then its chain. */
  readonly chain: string | Uint8Array;
  /** PEM; may be encrypted. Copies made of it are wiped. */
  readonly key: string | Uint8Array;
  readonly passphrase?: string | Uint8Array;
  /** An OCSP response in DER, stapled where clients ask for it. */
  readonly ocsp?: Uint8Array;
}

export interface ContextOptions {
  /** Default true. */
  readonly server?: boolean;
  /** Several for different kinds of keys (ECDSA and RSA): OpenSSL takes the one the peer can do. */
  readonly certificates?: readonly CertificateSource[];
  /** PEM certificates that are trusted; nothing is trusted by default. A server that verifies names them to clients. */
  readonly ca?: readonly (string | Uint8Array)[];
  /** PEM revocation lists; with any, each certificate of a chain needs one. */
  readonly crl?: readonly (string | Uint8Array)[];
  /**
   * none: ask for nothing (server), take anything (client). request: ask, note what is wrong with it, go on. optional: ask;
   * none is fine, a bad one ends the handshake. require: a good one or no connection. Default "none".
   */
  readonly verify?: "none" | "request" | "optional" | "require";
  /** 0x0303 (default) or 0x0304. */
  readonly versionMin?: number;
  /** 0x0303 or 0x0304 (default). */
  readonly versionMax?: number;
  /** TLS 1.2, OpenSSL's cipher list. Left out: OpenSSL's default. */
  readonly ciphers?: string;
  /** TLS 1.3, by standard names with ":" between. */
  readonly ciphersuites?: string;
  /** Best first, by OpenSSL's names; one with "?" before it is left out where OpenSSL does not know it. */
  readonly groups?: readonly string[];
  /** Protocols in wire format (RFC 7301 §3.1), best first. A server refuses a client that offers none of them. */
  readonly alpn?: Uint8Array;
  /** At most 32 bytes. A session resumes only where this is the same: for contexts that verify differently. */
  readonly sessionIdContext?: string | Uint8Array;
  /** Server: seals session tickets. Without it nothing is resumed. The *first* context of a session decides. */
  readonly tickets?: TicketRing | null;
  /** TLS 1.3 tickets after a handshake, 0..8. Default 1. */
  readonly ticketCount?: number;
  /** For how long a ticket is good. Default 7200. */
  readonly ticketLifetimeS?: number;
  /** The server's order of ciphers and groups counts, ChaCha20 first for clients that put it first. Default true. */
  readonly serverPreference?: boolean;
  /** Each ClientHello waits for `choose` (`awaitsContext`): SNI. Default false. */
  readonly clientHello?: boolean;
}

/** Why there is no context. */
export interface ContextFailure {
  /**
   * certificate, key, passphrase (missing or wrong), mismatch (key and certificate), ca, crl: of the item at `index`. versions,
   * ciphers, ciphersuites, groups, sessionIdContext: the option of that name. openssl: something else.
   */
  readonly step:
    | "certificate"
    | "key"
    | "passphrase"
    | "mismatch"
    | "ca"
    | "crl"
    | "versions"
    | "ciphers"
    | "ciphersuites"
    | "groups"
    | "sessionIdContext"
    | "openssl";
  readonly index: number;
  readonly reason: string;
}

/** An SSL_CTX of this thread. Sessions keep what they need of it. */
export interface SecureContext {
  /** Replaces the OCSP response of the certificate at `index`; null = none. */
  setOcsp(index: number, der: Uint8Array | null): void;
}

/** @throws {TypeError} for an option of the wrong type; what OpenSSL refuses is returned. */
export declare function makeContext(options: ContextOptions): SecureContext | ContextFailure;

/** Keys of session tickets, shared by all threads of the process that open the ring of this name. Wiped with the last holder. */
export interface TicketRing {
  /** A new key seals after `rotateS`; a key that was replaced opens for `keepS` more. Default 12 h and 24 h. */
  setPolicy(rotateS: number, keepS: number): void;
  /** Replaces all: 1..16 keys of 80 bytes (name 16, HMAC key 32, AES key 32); the first seals. Ends the rotation by time. */
  give(keys: Uint8Array): void;
  /** A new random key seals from now on. False when there is no randomness. */
  rotate(): boolean;
  size(): number;
  /** Lets go of it. Contexts that use it keep it. */
  close(): void;
}

export declare function openTicketRing(name: string): TicketRing;

/** A session that can be resumed by the next connection. Opaque: it has a secret in it. */
export interface ResumableSession {
  readonly _resumable?: never;
}

export interface SessionInfo {
  /** 0x0303 or 0x0304. */
  readonly version: number;
  readonly protocol: string;
  /** Standard name (TLS_AES_128_GCM_SHA256). */
  readonly cipher: string | null;
  readonly group: string | null;
  /** Position in the list of protocols that was given, or -1. */
  readonly alpn: number;
  readonly serverName: string | null;
  readonly resumed: boolean;
  readonly hasPeerCertificate: boolean;
  /** X509_V_ERR_*; 0 = nothing was wrong, or nothing was looked at. */
  readonly verifyError: number;
  readonly verifyReason: string | null;
}

export interface TlsEngine {
  /**
   * A new session, as the context is: a server's takes no further arguments. `verifyName`: host name or address that the server's
   * certificate must have. `alpn` in wire format.
   * @returns its handle, >= 0; -1 when OpenSSL refuses a name, or there are 2^20 sessions.
   */
  open(
    context: SecureContext,
    serverName: string | null,
    verifyName: string | null,
    alpn: Uint8Array | null,
    session: ResumableSession | null,
  ): number;
  /** Carries out what the words ask for. @returns flags. @throws {TypeError} when there is no such session. */
  run(): number;
  /** Answers `awaitsContext`: the context to go on with, or the number of the alert to refuse by. Then call `run` with `read`. */
  choose(handle: number, choice: SecureContext | number): void;
  /** The name in a ClientHello that waits for `choose`. */
  serverName(handle: number): string | null;
  info(handle: number): SessionInfo | null;
  /** DER, the peer's own certificate first. */
  peerCertificates(handle: number): Uint8Array[];
  /** Client: the newest session that has come, or null. At most four are kept until taken. */
  takeSession(handle: number): ResumableSession | null;
  failure(handle: number): string | null;
  /** Frees it. False when there was none. */
  close(handle: number): boolean;
  /** Open sessions. */
  sessions(): number;
}

/** @param words an Int32Array of TLS.words; the engine's from now on. */
export declare function openEngine(arena: ArrayBuffer, words: Int32Array): TlsEngine;
