// fuzz.ts — what a hostile peer may send at each state of a handshake: arbitrary, flipped, cut, repeated, reordered bytes.
import { Random } from "@percore/core/testing";
import { TLS } from "@percore/native/tls";
import { clientOf, only, RawSession, serverOf, VERSIONS } from "./harness.ts";

const mutate = (bytes: Uint8Array, random: Random): Uint8Array => {
  const at = random.integer(0, Math.max(0, bytes.length - 1));
  switch (random.integer(0, 6)) {
    case 0: {
      const flipped = bytes.slice();
      for (let count = random.integer(1, 8); count > 0; count -= 1) {
        flipped[random.integer(0, flipped.length - 1)] ^= 1 << random.integer(0, 7);
      }
      return flipped;
    }
    case 1:
      return bytes.slice(0, at);
    case 2:
      return bytes.slice(at);
    case 3:
      return Uint8Array.of(...bytes.subarray(0, at), ...noise(random), ...bytes.subarray(at));
    case 4:
      return Uint8Array.of(...bytes, ...bytes);
    case 5: {
      // A record that says it is something else, or longer.
      const forged = bytes.slice();
      if (forged.length > 5) forged.set([random.integer(19, 26), 3, random.integer(0, 4), random.integer(0, 255)]);
      return forged;
    }
    default:
      return noise(random);
  }
};

const noise = (random: Random): Uint8Array => {
  const bytes = new Uint8Array(random.integer(1, 400));
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.integer(0, 255);
  return bytes;
};

export interface FuzzReport {
  rounds: number;
  failed: number;
  established: number;
}

/** Turns of a conversation: flights of the handshake first, then data, new keys, an end. */
const TURNS = 8;

/** What an honest peer says next, having been answered by `answer`. */
const speak = (peer: RawSession, answer: Uint8Array, turn: number, random: Random): Uint8Array => {
  const flight = turn === 0 || answer.length > 0 ? peer.read(answer) : new Uint8Array(0);
  if (flight.length > 0 || !(peer.flags & TLS.established)) return flight;
  switch (random.integer(0, 3)) {
    case 0:
      return peer.updateKeys();
    case 1:
      return peer.shutdown();
    default:
      return peer.write(noise(random));
  }
};

/** Throws when a session does anything but fail, wait or go on; the report counts which. */
export const fuzz = (rounds: number, seed: number): FuzzReport => {
  const random = new Random(seed);
  const server = serverOf();
  const clients = VERSIONS.map((version) => clientOf(only(version)));
  const report: FuzzReport = { rounds: 0, failed: 0, established: 0 };
  for (; report.rounds < rounds; report.rounds += 1) {
    const client = new RawSession(clients[report.rounds & 1], "localhost");
    const [victim, peer] = report.rounds & 2 ? [client, new RawSession(server)] : [new RawSession(server), client];
    // One turn is spoilt, at any state; those before it are as they should be, those after it come all the same.
    const spoilt = random.integer(0, TURNS - 1);
    let answer = victim === client ? victim.read() : new Uint8Array(0);
    for (let turn = 0; turn < TURNS; turn += 1) {
      const said = speak(peer, answer, turn, random);
      const sent = turn === spoilt ? mutate(said.length > 0 ? said : noise(random), random) : said;
      answer = feed(victim, sent, random);
    }
    if (victim.flags & TLS.failed) report.failed += 1;
    if (victim.flags & TLS.established) report.established += 1;
    victim.write(Uint8Array.of(1, 2, 3));
    victim.shutdown();
    victim.close();
    peer.close();
  }
  return report;
};

/** Whole, or in two pieces. Returns what the victim answers. */
const feed = (victim: RawSession, bytes: Uint8Array, random: Random): Uint8Array => {
  const cut = random.chance(0.5) ? bytes.length : random.integer(0, bytes.length);
  const answers: Uint8Array[] = [];
  for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
    if (piece.length === 0) continue;
    answers.push(victim.read(piece));
    const used = victim.words[TLS.inUsed];
    const plain = victim.words[TLS.plainLength];
    if (used > piece.length || plain > used) throw new Error(`took ${used} of ${piece.length}, gave ${plain}`);
  }
  return Uint8Array.from(answers.flatMap((answer) => [...answer]));
};
