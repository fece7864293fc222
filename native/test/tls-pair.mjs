// tls-pair.mjs — two sessions of one engine, and the moving of what one writes to the other. For the TLS tests.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeContext, openEngine, TLS } from "../tls.js";

const KIB = 1024;
const OUT = 0;
const OUT_BYTES = 128 * KIB;
const IN = 256 * KIB;
const SPILL = 512 * KIB;
const SPILL_BYTES = 16 * KIB;
const PLAIN = 768 * KIB;

/** A self-signed certificate of localhost and its key: { chain, key } in PEM, made by the openssl program. */
export const selfSigned = (args, keyArgs = []) => {
  const folder = mkdtempSync(join(tmpdir(), "percore-tls-"));
  try {
    const [key, chain] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", ...args, "-keyout", key, "-out", chain, "-days", "30", "-subj", "/CN=localhost"],
        ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        ...(keyArgs.length > 0 ? keyArgs : ["-nodes"]),
      ],
      { stdio: "ignore" },
    );
    return { chain: readFileSync(chain), key: readFileSync(key) };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

export const EC = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
export const RSA = ["rsa:2048"];

/** A context, or the failure thrown. */
export const context = (options) => {
  const made = makeContext(options);
  if ("step" in made) throw new Error(`${made.step}: ${made.reason}`);
  return made;
};

export class Engine {
  u8 = new Uint8Array(new ArrayBuffer(1024 * KIB));
  words = new Int32Array(TLS.words);
  native = openEngine(this.u8.buffer, this.words);

  session(made, { serverName = null, verifyName = null, alpn = null, resume = null } = {}) {
    return new Session(this, this.native.open(made, serverName, verifyName, alpn, resume));
  }
}

class Session {
  constructor(engine, handle) {
    this.engine = engine;
    this.handle = handle;
    this.flags = 0;
    /** Ciphertext written and not taken away; plaintext received. */
    this.out = Buffer.alloc(0);
    this.plain = Buffer.alloc(0);
  }

  /** Gives `bytes` of ciphertext, at most `inMax` at a time, with `outBytes` of room. */
  read(bytes = Buffer.alloc(0), { inMax = 16 * KIB, outBytes = OUT_BYTES } = {}) {
    let left = bytes;
    do {
      const piece = left.subarray(0, inMax);
      left = left.subarray(piece.length);
      let at = 0;
      let spill = 0;
      for (;;) {
        this.engine.u8.set(piece.subarray(at), IN);
        const used = this.#run({ actions: TLS.read, in: piece.length - at, out: outBytes, spill });
        at += used;
        spill = this.flags & TLS.needsSpill ? SPILL_BYTES : 0;
        if (!(this.flags & (TLS.needsRoom | TLS.needsSpill))) break;
      }
    } while (left.length > 0 && !(this.flags & TLS.awaitsContext));
    return this;
  }

  /** Encrypts `bytes` as `parts` ranges. Returns how many bytes were taken. */
  write(bytes, { parts = 1, outBytes = OUT_BYTES, actions = TLS.write } = {}) {
    const { words, u8 } = this.engine;
    u8.set(bytes, PLAIN);
    const size = Math.ceil(bytes.length / parts);
    for (let at = 0; at < parts; at += 1) {
      words[TLS.parts + 2 * at] = PLAIN + at * size;
      words[TLS.parts + 2 * at + 1] = Math.max(0, Math.min(size, bytes.length - at * size));
    }
    words[TLS.partCount] = parts;
    this.#run({ actions, in: 0, out: outBytes, spill: 0 });
    return words[TLS.taken];
  }

  shutdown() {
    this.#run({ actions: TLS.shutdown, in: 0, out: OUT_BYTES, spill: 0 });
    return this;
  }

  take() {
    const { out } = this;
    this.out = Buffer.alloc(0);
    return out;
  }

  close() {
    return this.engine.native.close(this.handle);
  }

  get info() {
    return this.engine.native.info(this.handle);
  }

  get failure() {
    return this.engine.native.failure(this.handle);
  }

  #run({ actions, in: inLength, out, spill }) {
    const { words, u8, native } = this.engine;
    words[TLS.handle] = this.handle;
    words[TLS.actions] = actions;
    words[TLS.inOffset] = IN;
    words[TLS.inLength] = inLength;
    words[TLS.spillOffset] = SPILL;
    words[TLS.spillLength] = spill;
    words[TLS.outOffset] = OUT;
    words[TLS.outLength] = out;
    this.flags = native.run();
    this.out = Buffer.concat([this.out, u8.subarray(OUT, OUT + words[TLS.outUsed])]);
    this.plain = Buffer.concat([
      this.plain,
      u8.subarray(SPILL, SPILL + words[TLS.spillUsed]),
      u8.subarray(IN, IN + words[TLS.plainLength]),
    ]);
    return words[TLS.inUsed];
  }
}

/** Moves flights until both are established or one has failed. */
export const shake = (client, server, options) => {
  client.read(undefined, options);
  for (let flights = 0; flights < 10; flights += 1) {
    const toServer = client.take();
    if (toServer.length > 0) server.read(toServer, options);
    const toClient = server.take();
    if (toClient.length > 0) client.read(toClient, options);
    if (toServer.length + toClient.length === 0) break;
  }
};
