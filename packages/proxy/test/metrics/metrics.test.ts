// Counters of a worker, the sum over several, and what Prometheus reads of it.
import t from "tap";
import { prometheusText } from "../../src/metrics/prometheus.ts";
import { DURATION_BOUNDS, type MetricInfo, Registry, sumSnapshots } from "../../src/metrics/registry.ts";

const INFOS: readonly MetricInfo[] = [
  { name: "a_total", help: "how many\nof \\them", kind: "counter" },
  { name: "b_seconds", help: "how long", kind: "histogram" },
  { name: "c", help: "how full", kind: "gauge" },
  { name: "d_total", help: "never", kind: "counter" },
];

t.test("a series is one thing, however often it is asked for", async (t) => {
  const registry = new Registry(INFOS);
  registry.counter("a_total", { x: "1", y: "2" }).value += 1;
  registry.counter("a_total", { y: "2", x: "1" }).value += 1;
  t.same(registry.snapshot(), [{ name: "a_total", labels: { x: "1", y: "2" }, values: [2] }]);
  t.throws(() => registry.counter("b_seconds"), RangeError);
  t.throws(() => registry.counter("e_total"), RangeError);
});

t.test("histograms count each value at its bound", async (t) => {
  const histogram = new Registry(INFOS).histogram("b_seconds");
  histogram.observe(0.001);
  histogram.observe(0.0011);
  histogram.observe(61);
  t.equal(histogram.counts[0], 1, "a bound includes itself");
  t.equal(histogram.counts[1], 1);
  t.equal(histogram.counts[DURATION_BOUNDS.length], 1, "above all of them");
});

t.test("text", async (t) => {
  const [one, other] = [new Registry(INFOS), new Registry(INFOS)];
  one.counter("a_total", { path: 'a"b\\c\nd' }).value = 1;
  other.counter("a_total", { path: 'a"b\\c\nd' }).value = 2;
  other.counter("a_total", { path: "x" }).value = 3;
  one.histogram("b_seconds").observe(0.002);
  let full = 5;
  one.gauge("c", { pool: "p" }, () => full);
  other.gauge("c", { pool: "p" }, () => 1);
  other.gauge("c", { pool: "gone" }, () => 1);
  other.forgetGauges((_name, labels) => labels.pool !== "gone");
  full = 6;
  const text = prometheusText(INFOS, sumSnapshots([one.snapshot(), other.snapshot()]));
  t.equal(
    text,
    `# HELP a_total how many\\nof \\\\them
# TYPE a_total counter
a_total{path="a\\"b\\\\c\\nd"} 3
a_total{path="x"} 3
# HELP b_seconds how long
# TYPE b_seconds histogram
${DURATION_BOUNDS.map((bound) => `b_seconds_bucket{le="${bound}"} ${bound < 0.002 ? 0 : 1}\n`).join("")}b_seconds_bucket{le="+Inf"} 1
b_seconds_sum 0.002
b_seconds_count 1
# HELP c how full
# TYPE c gauge
c{pool="p"} 7
`,
  );
});
