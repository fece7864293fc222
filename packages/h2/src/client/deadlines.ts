// deadlines.ts — what a server may take its time for, and how long; all of a connection's on one entry of the wheel.
import type { Stream } from "@percore/core";
import type { HttpErrorCode } from "@percore/http";
import { H2Error } from "../errors.ts";
import type { H2ClientSettings } from "./client.ts";
import type { H2ClientExchange } from "./exchange.ts";
import type { FrameWriter } from "./frame-writer.ts";

export const NEVER: number = Number.POSITIVE_INFINITY;

export interface DeadlineOwner {
  readonly settings: H2ClientSettings;
  readonly stream: Stream;
  readonly frames: FrameWriter;
  readonly live: ReadonlySet<H2ClientExchange>;
  expired(code: HttpErrorCode, message: string, cause?: H2Error): void;
  exchangeExpired(exchange: H2ClientExchange, code: HttpErrorCode, message: string): void;
}

/** 0 switches a deadline off. */
const after = (from: number, ms: number): number => (ms > 0 ? from + ms : NEVER);

export class Deadlines {
  readonly #owner: DeadlineOwner;
  readonly #startedAt: number;
  #settingsRead = false;
  #settingsAcknowledged = false;
  /** When the server was last heard, and when it was asked whether it is there since. */
  #heardAt: number;
  #askedAt = NEVER;
  #closeAt = NEVER;
  /** What was queued on the transport when it was last looked at, and when it last moved. */
  #queuedThen = 0;
  #movedAt: number;

  constructor(owner: DeadlineOwner, now: number) {
    this.#owner = owner;
    this.#startedAt = now;
    this.#heardAt = now;
    this.#movedAt = now;
  }

  get #now(): number {
    return this.#owner.settings.clock.now;
  }

  // — what happens; each returns when to look, where that may be earlier than before —

  get first(): number {
    return this.#startedAt + this.#owner.settings.h2.settingsTimeoutMs;
  }

  started(): number {
    const { responseMs, sendMs } = this.#owner.settings.timeouts;
    // The silence that is asked about begins when an answer is owed.
    if (this.#owner.live.size === 1) this.heard(this.#now);
    return Math.min(after(this.#now, responseMs), after(this.#now, sendMs), this.#pingDue());
  }

  queued(): number {
    if (this.#queuedThen === 0) this.#movedAt = this.#now;
    return after(this.#now, this.#owner.settings.timeouts.sendMs);
  }

  tunnelBegun(): number {
    return after(this.#now, this.#owner.settings.timeouts.tunnelIdleMs);
  }

  heard(now: number): void {
    this.#heardAt = now;
    this.#askedAt = NEVER;
  }

  /** The transport has taken what it held. */
  moved(): void {
    this.#movedAt = this.#now;
    this.#queuedThen = 0;
  }

  settingsRead(): void {
    this.#settingsRead = true;
  }

  settingsAcknowledged(): void {
    this.#settingsAcknowledged = true;
  }

  linger(): number {
    if (this.#closeAt === NEVER) this.#closeAt = this.#now + (this.#owner.settings.timeouts.lingerMs || 1);
    return this.#closeAt;
  }

  lingerOver(now: number): boolean {
    return this.#closeAt <= now;
  }

  // — looking —

  /** Ends what is late. Returns when to look again. */
  check(now: number): number {
    const settingsDue = this.#settingsRead && this.#settingsAcknowledged ? NEVER : this.first;
    if (settingsDue <= now) {
      const cause = new H2Error("ERR_H2_SETTINGS_TIMEOUT");
      this.#owner.expired("ERR_RESPONSE_TIMEOUT", "SETTINGS did not come, or were not acknowledged, in time", cause);
      return NEVER;
    }
    const transportDue = this.#transportDue(now);
    if (transportDue <= now) {
      this.#owner.expired("ERR_SEND_TIMEOUT", "the server took no byte within timeouts.sendMs");
      return NEVER;
    }
    let pingDue = this.#pingDue();
    if (pingDue <= now) {
      if (this.#askedAt !== NEVER) {
        this.#owner.expired("ERR_RESPONSE_TIMEOUT", "the server did not answer PING within timeouts.pingAnswerMs");
        return NEVER;
      }
      this.#askedAt = now;
      this.#owner.frames.ping(0, 0, 0);
      pingDue = this.#pingDue();
    }
    let next = Math.min(settingsDue, transportDue, pingDue);
    for (const exchange of [...this.#owner.live]) next = Math.min(next, this.#exchangeDue(exchange, now));
    return next;
  }

  /** Asking is for those who wait: an idle connection is left alone. */
  #pingDue(): number {
    const { live, settings } = this.#owner;
    const { pingMs, pingAnswerMs } = settings.timeouts;
    if (live.size === 0 || pingMs === 0) return NEVER;
    return this.#askedAt === NEVER ? this.#heardAt + pingMs : after(this.#askedAt, pingAnswerMs);
  }

  #transportDue(now: number): number {
    const queued = this.#owner.stream.queuedBytes;
    if (queued === 0 || queued < this.#queuedThen || this.#queuedThen === 0) this.#movedAt = now;
    this.#queuedThen = queued;
    return queued === 0 ? NEVER : after(this.#movedAt, this.#owner.settings.timeouts.sendMs);
  }

  /** Ends an exchange that is too slow; else says when to look at it again. */
  #exchangeDue(exchange: H2ClientExchange, now: number): number {
    const { timeouts } = this.#owner.settings;
    const { body } = exchange;
    // It waits for our own SETTINGS to be answered, or for its receiver.
    if (exchange.id === 0 || exchange.closed) return NEVER;
    if (exchange.queuedBytes > 0) {
      const due = after(exchange.progressAt, timeouts.sendMs);
      if (due > now) return due;
      this.#owner.exchangeExpired(exchange, "ERR_SEND_TIMEOUT", "the server took no byte within timeouts.sendMs");
    } else if (exchange.tunnel !== null) {
      const due = after(exchange.progressAt, timeouts.tunnelIdleMs);
      if (due > now) return due;
      const message = "the tunnel was silent for timeouts.tunnelIdleMs";
      this.#owner.exchangeExpired(exchange, "ERR_RESPONSE_TIMEOUT", message);
    } else if (body === null) {
      const due = after(exchange.waitingSince, timeouts.responseMs);
      if (due > now) return due;
      this.#owner.exchangeExpired(exchange, "ERR_RESPONSE_TIMEOUT", "no response head came within timeouts.responseMs");
    } else if (!exchange.peerEnded) {
      const due = after(exchange.progressAt, timeouts.receiveMs);
      if (due > now) return due;
      // Who is held back by us is not slow.
      if (body.paused || body.keptBytes > 0) return after(now, timeouts.receiveMs);
      const message = "the response body paused for longer than timeouts.receiveMs";
      this.#owner.exchangeExpired(exchange, "ERR_RESPONSE_TIMEOUT", message);
    }
    return NEVER;
  }
}
