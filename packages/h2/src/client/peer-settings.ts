// peer-settings.ts — what the server has said of itself in SETTINGS (RFC 9113 §6.5.2, RFC 8441 §3).
import * as F from "../codec/frame.ts";
import type { HpackEncoder } from "../codec/hpack/codec.ts";
import type { H2ErrorCode } from "../errors.ts";
import type { Sending } from "./sender.ts";

/** Streams that we take for allowed until the server has spoken: the fewest it should allow (RFC 9113 §6.5.2). */
const STREAMS_UNSAID = 100;

export class PeerSettings {
  /** Streams it allows; Infinity where it has spoken and named no limit. */
  streamsMax: number = STREAMS_UNSAID;
  initialWindow: number = F.WINDOW_DEFAULT;
  /** It takes extended CONNECT; null while it has not spoken. */
  connectProtocol: boolean | null = null;
  readonly #encoder: HpackEncoder;
  readonly #streams: ReadonlyMap<number, Sending>;
  #spoken = false;
  #streamsSaid = false;

  /** @param streams whose windows move with SETTINGS_INITIAL_WINDOW_SIZE */
  constructor(encoder: HpackEncoder, streams: ReadonlyMap<number, Sending>) {
    this.#encoder = encoder;
    this.#streams = streams;
  }

  /** Returns what is wrong with the setting, or null. Unknown ones are ignored. */
  apply(id: number, value: number): H2ErrorCode | null {
    switch (id) {
      case F.SETTING_HEADER_TABLE_SIZE:
        this.#encoder.setTableBytesMax(value);
        return null;
      case F.SETTING_ENABLE_PUSH:
        // A server has nothing to enable.
        return value === 0 ? null : "ERR_H2_SETTINGS";
      case F.SETTING_MAX_CONCURRENT_STREAMS:
        this.streamsMax = value;
        this.#streamsSaid = true;
        return null;
      case F.SETTING_INITIAL_WINDOW_SIZE:
        return this.#moveWindows(value);
      case F.SETTING_MAX_FRAME_SIZE:
        // Larger frames than any peer takes would only delay those of other streams.
        return value < F.FRAME_BYTES_DEFAULT || value > 0xff_ffff ? "ERR_H2_SETTINGS" : null;
      case F.SETTING_ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (value === 0 && this.connectProtocol === true)) return "ERR_H2_SETTINGS";
        this.connectProtocol = value === 1;
        return null;
      default:
        return null;
    }
  }

  /** A SETTINGS frame was read whole; what the first one did not say has its default. True for the first. */
  spoken(): boolean {
    if (this.#spoken) return false;
    this.#spoken = true;
    this.connectProtocol ??= false;
    if (!this.#streamsSaid) this.streamsMax = Number.POSITIVE_INFINITY;
    return true;
  }

  /** Every stream's window moves by the difference, below zero if need be (§6.9.2). */
  #moveWindows(size: number): H2ErrorCode | null {
    if (size > F.WINDOW_MAX) return "ERR_H2_FLOW_CONTROL";
    const difference = size - this.initialWindow;
    this.initialWindow = size;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > F.WINDOW_MAX) return "ERR_H2_FLOW_CONTROL";
    }
    return null;
  }
}
