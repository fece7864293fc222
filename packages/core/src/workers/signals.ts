// signals.ts — SIGTERM and SIGINT: the first drains, the second or the deadline ends the process as the signal would have.

export interface Drainable {
  /** @returns whether there was nothing to drain. */
  drain(deadlineMs: number): Promise<{ idle: boolean }>;
}

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
/** What the process gets above the deadline to end by itself after the last worker was ended. */
const GRACE_MS = 500;

/**
 * Handles the signals until the returned function is called.
 *
 * The signal itself is raised again, with its default effect, where nothing had to be drained, when the deadline has
 * passed, and when it comes a second time; so whoever sent it sees what it expects.
 */
export const drainOnSignals = (target: Drainable, drainMs: number): (() => void) => {
  let draining = false;
  const stop = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  const raise = (signal: NodeJS.Signals): void => {
    stop();
    process.kill(process.pid, signal);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (draining) {
      raise(signal);
      return;
    }
    draining = true;
    setTimeout(() => raise(signal), drainMs + GRACE_MS).unref();
    void target.drain(drainMs).then(({ idle }) => {
      if (idle) raise(signal);
    });
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    if (!draining) stop();
  };
};
