// words.ts — the positions and bits of the native ABI as constants of this module: the compiler folds them, which it cannot do
// with properties of an object that the addon made (2026-11: 0.3 µs per request).
import { TLS } from "@percore/native/tls";

export const HANDLE: number = TLS.handle;
export const ACTIONS: number = TLS.actions;
export const IN_OFFSET: number = TLS.inOffset;
export const IN_LENGTH: number = TLS.inLength;
export const SPILL_OFFSET: number = TLS.spillOffset;
export const SPILL_LENGTH: number = TLS.spillLength;
export const OUT_OFFSET: number = TLS.outOffset;
export const OUT_LENGTH: number = TLS.outLength;
export const PART_COUNT: number = TLS.partCount;
export const PARTS: number = TLS.parts;
export const PARTS_MAX: number = TLS.partsMax;
export const IN_USED: number = TLS.inUsed;
export const PLAIN_LENGTH: number = TLS.plainLength;
export const SPILL_USED: number = TLS.spillUsed;
export const OUT_USED: number = TLS.outUsed;
export const TAKEN: number = TLS.taken;
export const PARTIAL: number = TLS.partial;
export const ALERT_SENT: number = TLS.alertSent;
export const ALERT_RECEIVED: number = TLS.alertReceived;
export const WORDS: number = TLS.words;

export const READ: number = TLS.read;
export const WRITE: number = TLS.write;
export const SHUTDOWN: number = TLS.shutdown;
export const SMALL_RECORDS: number = TLS.smallRecords;

export const ESTABLISHED: number = TLS.established;
export const PEER_CLOSED: number = TLS.peerClosed;
export const NEEDS_ROOM: number = TLS.needsRoom;
export const NEEDS_SPILL: number = TLS.needsSpill;
export const AWAITS_CONTEXT: number = TLS.awaitsContext;
export const HAS_SESSIONS: number = TLS.hasSessions;
export const FAILED: number = TLS.failed;

/** Plaintext of each of a burst's first records; room that a record needs beyond its plaintext. Bytes. */
export const SMALL_RECORD_BYTES: number = TLS.smallRecordBytes;
export const RECORD_OVERHEAD_MAX: number = TLS.recordOverheadMax;
