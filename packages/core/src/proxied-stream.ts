// proxied-stream.ts — takes the PROXY header off a fresh connection and gives it on with its original addresses.
import { BlockList, isIPv4, isIPv6 } from "node:net";
import { CoreError } from "./errors.ts";
import { ForwardedStream } from "./forwarded-stream.ts";
import type { Lease } from "./lease.ts";
import { type ProxyHeader, parseProxyHeader } from "./proxy-protocol.ts";
import type { Stream, StreamHandler, StreamInfo } from "./stream.ts";

export interface ProxyProtocolOptions {
  /**
   * Addresses and CIDR ranges of the balancers. Whoever may send the header may claim any address, and with it pass every
   * rule and log that goes by addresses; so it is believed from these peers only. Peers of Unix sockets count as
   * trusted: the file's permissions decide who they are.
   */
  trusted: readonly string[];
  /** What a connection of anybody else is: "pass" (default) takes its bytes as they come, "close" resets it. */
  untrusted?: "pass" | "close";
  /** Whether a trusted peer must send the header. Default true, as the specification wants: no guessing. */
  required?: boolean;
  /** The longest header, bytes; 216..16384. Default 4096. */
  headerBytesMax?: number;
  /** For the header to be complete. Default 5000. */
  headerTimeoutMs?: number;
}

export interface ProxiedConnection {
  /** The connection behind the header; `info.remote` and `info.local` are the original ones. */
  readonly stream: Stream;
  /** Null where there was none. */
  readonly header: ProxyHeader | null;
}

type Done = (error: Error | null, connection: ProxiedConnection | null) => void;

const HEADER_BYTES_MAX = 4096;
const HEADER_TIMEOUT_MS = 5000;

/**
 * Prepares a listener's connections: the returned function takes each new, unattached stream.
 *
 * `done` is called once: with the connection, to be attached to before `done` returns; or, the stream having been reset,
 * with ERR_PROXY_HEADER (malformed, too long, missing, late, from an untrusted peer) or with the stream's own error.
 * @throws {CoreError} ERR_OPTION_INVALID for a range that is none.
 */
export const proxyProtocol = (options: ProxyProtocolOptions): ((stream: Stream, done: Done) => void) => {
  const trusted = trustedList(options.trusted);
  const bytesMax = options.headerBytesMax ?? HEADER_BYTES_MAX;
  if (!(bytesMax >= 216 && bytesMax <= 16_384)) {
    throw new CoreError("ERR_OPTION_INVALID", `headerBytesMax is ${bytesMax}, allowed are 216..16384`);
  }
  const timeoutMs = options.headerTimeoutMs ?? HEADER_TIMEOUT_MS;
  return (stream, done) => {
    if (isTrusted(trusted, stream.info)) {
      stream.attach(new HeaderReader(stream, { bytesMax, timeoutMs, required: options.required ?? true }, done));
    } else if (options.untrusted === "close") {
      stream.reset();
      done(refused(`connection of the untrusted peer ${stream.info.remote.address}`), null);
    } else {
      done(null, { stream, header: null });
    }
  };
};

const refused = (what: string): CoreError => new CoreError("ERR_PROXY_HEADER", `PROXY protocol: ${what}`);

const trustedList = (ranges: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, prefix, ...rest] = range.split("/");
    const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : null;
    const bits = prefix === undefined ? (family === "ipv4" ? 32 : 128) : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
    if (family === null || rest.length > 0 || bits < 0 || bits > (family === "ipv4" ? 32 : 128)) {
      throw new CoreError("ERR_OPTION_INVALID", `trusted: not an address or CIDR range: ${JSON.stringify(range)}`);
    }
    list.addSubnet(address, bits, family);
  }
  return list;
};

const isTrusted = (list: BlockList, info: StreamInfo): boolean => {
  const { family, address } = info.remote;
  return family === "ipv4" || family === "ipv6" ? list.check(address, family) : true;
};

interface ReaderLimits {
  readonly bytesMax: number;
  readonly timeoutMs: number;
  readonly required: boolean;
}

/** Owns the stream until its header is complete. */
class HeaderReader implements StreamHandler {
  readonly #stream: Stream;
  readonly #limits: ReaderLimits;
  readonly #done: Done;
  readonly #timer: NodeJS.Timeout;
  /** What came before the last lease: a part of the header that ended somewhere in it. */
  #before: Uint8Array = new Uint8Array(0);
  #settled = false;

  constructor(stream: Stream, limits: ReaderLimits, done: Done) {
    this.#stream = stream;
    this.#limits = limits;
    this.#done = done;
    this.#timer = setTimeout(() => this.#refuse(refused(`no header within ${limits.timeoutMs} ms`)), limits.timeoutMs);
    this.#timer.unref();
  }

  onData(lease: Lease): void {
    if (this.#settled) {
      // Accepted, and the next owner has not attached yet; or refused, and nobody will.
      this.#stream.unread(lease);
      return;
    }
    const bytes = this.#before.length === 0 ? lease.bytes : Buffer.concat([this.#before, lease.bytes]);
    let parsed: ReturnType<typeof parseProxyHeader>;
    try {
      parsed = parseProxyHeader(bytes, this.#limits.bytesMax);
    } catch (error) {
      lease.release();
      this.#refuse(error as Error);
      return;
    }
    switch (parsed.kind) {
      case "partial":
        this.#before = new Uint8Array(bytes);
        lease.release();
        return;
      case "absent":
        if (this.#limits.required) {
          lease.release();
          this.#refuse(refused("the peer sent no header"));
        } else {
          this.#giveBack(this.#before);
          this.#accept(lease, this.#stream, null);
        }
        return;
      case "header": {
        const used = parsed.size - this.#before.length;
        lease.offset += used;
        lease.length -= used;
        this.#accept(lease, withAddresses(this.#stream, parsed.header), parsed.header);
        return;
      }
    }
  }

  onEnd(): void {
    this.#refuse(refused("the connection ended before its header was complete"));
  }

  onDrain(): void {}

  onClose(error: Error | null): void {
    if (this.#settle()) this.#done(error ?? refused("the connection closed before its header was complete"), null);
  }

  #accept(rest: Lease, stream: Stream, header: ProxyHeader | null): void {
    this.#settle();
    if (rest.length > 0) this.#stream.unread(rest);
    else rest.release();
    this.#done(null, { stream, header });
  }

  /** A few bytes that looked like a header and were none go back as a lease of their own. */
  #giveBack(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const lease = this.#stream.arena.lease(bytes.length);
    lease.bytes.set(bytes);
    this.#stream.unread(lease);
  }

  #refuse(error: Error): void {
    if (!this.#settle()) return;
    this.#stream.reset();
    this.#done(error, null);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    return true;
  }
}

const withAddresses = (stream: Stream, header: ProxyHeader): Stream => {
  const { source, destination } = header;
  if (source === null || destination === null) return stream;
  return new ForwardedStream(stream, { ...stream.info, remote: source, local: destination });
};
