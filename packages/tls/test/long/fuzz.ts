// fuzz.ts — npm run test:long -- tls:fuzz: hostile bytes at every state of a handshake, for PERCORE_FUZZ_ROUNDS rounds
// (default 60000), on an addon built with AddressSanitizer and UndefinedBehaviorSanitizer.
import { fuzz } from "../stream/fuzz.ts";
import { underSanitizers } from "./sanitizers.ts";

if (!(await underSanitizers(import.meta.url))) {
  const rounds = Number(process.env.PERCORE_FUZZ_ROUNDS ?? 60_000);
  const seed = Number(process.env.PERCORE_FUZZ_SEED ?? Date.now() % 1_000_000);
  const begin = performance.now();
  const report = fuzz(rounds, seed);
  const seconds = ((performance.now() - begin) / 1000).toFixed(0);
  const { failed, established } = report;
  console.log(
    `${rounds} rounds in ${seconds} s, seed ${seed}: ${failed} failed, ${established} established, no report`,
  );
}
