// acceptor.ts — a new connection on its way to the protocol that serves it.
import { type ProxyProtocolOptions, proxyProtocol, type Stream } from "@percore/core";

/** Takes an unattached stream: attaches to it, or hands it to the next stage. */
export type Stage = (stream: Stream) => void;

/**
 * The stages a connection passes, outermost first: PROXY protocol, then the protocol itself. Each gives on a Stream, so a
 * further one (TLS, telling HTTP/2 by its preface) goes in between without the others noticing.
 */
export class Acceptor {
  readonly #first: Stage;
  /** Connections that were refused for their PROXY header. */
  refused = 0;

  /** @param serve the protocol, or what tells protocols apart */
  constructor(serve: Stage, proxy: ProxyProtocolOptions | undefined) {
    this.#first = proxy === undefined ? serve : this.#behindProxy(proxy, serve);
  }

  accept(stream: Stream): void {
    this.#first(stream);
  }

  #behindProxy(options: ProxyProtocolOptions, next: Stage): Stage {
    const take = proxyProtocol(options);
    return (stream) => {
      take(stream, (_error, connection) => {
        // The stream is gone already; whose fault it was is the peer's business, so it is counted and no more.
        if (connection === null) this.refused += 1;
        else next(connection.stream);
      });
    };
  }
}
