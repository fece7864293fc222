// registry.ts — this worker's counters: plain numbers that are looked up once, when a route or an upstream is set up.

export type Labels = Readonly<Record<string, string>>;
export type MetricKind = "counter" | "gauge" | "histogram";

/** What a metric is, beside its numbers. */
export interface MetricInfo {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
}

export class Counter {
  value = 0;
}

/** Upper bounds of a histogram of durations, seconds: 1 ms to 60 s, as latencies of web servers are. */
export const DURATION_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

export class Histogram {
  /** One more than there are bounds: the last has what is above all of them. */
  readonly counts: number[] = new Array<number>(DURATION_BOUNDS.length + 1).fill(0);
  sum = 0;

  observe(seconds: number): void {
    let at = 0;
    while (at < DURATION_BOUNDS.length && seconds > DURATION_BOUNDS[at]) at += 1;
    this.counts[at] += 1;
    this.sum += seconds;
  }
}

/** One series' numbers: [value] of a counter or gauge; a histogram's counts and then its sum. */
export interface SeriesSnapshot {
  readonly name: string;
  readonly labels: Labels;
  readonly values: readonly number[];
}

interface Series {
  readonly name: string;
  readonly labels: Labels;
  readonly read: () => readonly number[];
}

export class Registry {
  readonly #infos = new Map<string, MetricInfo>();
  readonly #series = new Map<string, Series>();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();

  /** @param infos every metric there will be. */
  constructor(infos: readonly MetricInfo[]) {
    for (const info of infos) this.#infos.set(info.name, info);
  }

  /** The counter of a name and labels, the same one each time: it goes on counting over a reload. */
  counter(name: string, labels: Labels = {}): Counter {
    const key = this.#keyOf(name, labels, "counter");
    let counter = this.#counters.get(key);
    if (counter === undefined) {
      const made = new Counter();
      counter = made;
      this.#counters.set(key, made);
      this.#series.set(key, { name, labels, read: () => [made.value] });
    }
    return counter;
  }

  histogram(name: string, labels: Labels = {}): Histogram {
    const key = this.#keyOf(name, labels, "histogram");
    let histogram = this.#histograms.get(key);
    if (histogram === undefined) {
      const made = new Histogram();
      histogram = made;
      this.#histograms.set(key, made);
      this.#series.set(key, { name, labels, read: () => [...made.counts, made.sum] });
    }
    return histogram;
  }

  /** A value that is read when it is asked for. Takes the place of an earlier one with the same labels. */
  gauge(name: string, labels: Labels, read: () => number): void {
    this.#series.set(this.#keyOf(name, labels, "gauge"), { name, labels, read: () => [read()] });
  }

  /** Forgets gauges of things that are gone; `keep` says which stay. */
  forgetGauges(keep: (name: string, labels: Labels) => boolean): void {
    for (const [key, { name, labels }] of this.#series) {
      if (this.#infos.get(name)?.kind === "gauge" && !keep(name, labels)) this.#series.delete(key);
    }
  }

  snapshot(): SeriesSnapshot[] {
    return [...this.#series.values()].map(({ name, labels, read }) => ({ name, labels, values: read() }));
  }

  #keyOf(name: string, labels: Labels, kind: MetricKind): string {
    if (this.#infos.get(name)?.kind !== kind) throw new RangeError(`${name} is no ${kind} of this registry`);
    return keyOf(name, labels);
  }
}

export const keyOf = (name: string, labels: Labels): string =>
  `${name}${JSON.stringify(Object.entries(labels).sort())}`;

/** The sum of what several workers have counted, series by series. */
export const sumSnapshots = (snapshots: readonly (readonly SeriesSnapshot[])[]): SeriesSnapshot[] => {
  const sums = new Map<string, { name: string; labels: Labels; values: number[] }>();
  for (const { name, labels, values } of snapshots.flat()) {
    const key = keyOf(name, labels);
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { name, labels, values: [...values] });
    else for (const [at, value] of values.entries()) sum.values[at] += value;
  }
  return [...sums.values()];
};
