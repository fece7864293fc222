// send-relay.ts — a request's body as the body of a response: leases go from one exchange to the other, nothing is
// copied, and the slower side sets the pace.
import type { Lease } from "@percore/core";
import type { BodyReceiver, Exchange, Fields } from "@percore/http";
import type { BodyEnd } from "./body-incoming.ts";
import type { Finish, Report } from "./outcome.ts";
import { onExchangeAbort } from "./request-signal.ts";

/**
 * Relays the body of `from` to `to`, whose head is out already.
 *
 * @param end told how the body ended, for whoever waits for its trailers.
 */
export const relayIncoming = (from: Exchange, end: BodyEnd, to: Exchange, finish: Finish, report: Report): void => {
  const relay = new Relay(from, end, to, finish, report);
  onExchangeAbort(to, () => relay.stop());
  from.receive(relay);
};

class Relay implements BodyReceiver {
  readonly #from: Exchange;
  readonly #end: BodyEnd;
  readonly #to: Exchange;
  readonly #finish: Finish;
  readonly #report: Report;
  #over = false;

  constructor(from: Exchange, end: BodyEnd, to: Exchange, finish: Finish, report: Report) {
    this.#from = from;
    this.#end = end;
    this.#to = to;
    this.#finish = finish;
    this.#report = report;
  }

  stop(): void {
    this.#over = true;
    this.#to.onDrain = null;
  }

  onBody(lease: Lease): void {
    if (this.#over) {
      lease.release();
      return;
    }
    if (this.#to.writeLease(lease)) return;
    this.#from.pauseBody();
    this.#to.onDrain = () => this.#from.resumeBody();
  }

  onBodyEnd(trailers: Fields | null): void {
    this.#end.onEnd(trailers);
    if (this.#over) return;
    this.stop();
    this.#finish(this.#to);
  }

  onBodyError(error: Error): void {
    this.#end.onError(error);
    if (this.#over) return;
    this.stop();
    // Where both are one exchange it is gone already; another one's client must not take the part for the whole.
    if (this.#to === this.#from || !this.#to.open) return;
    this.#to.abort(error);
    this.#report(error);
  }
}
