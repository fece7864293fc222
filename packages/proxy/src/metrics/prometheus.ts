// prometheus.ts — snapshots as the text that Prometheus scrapes (exposition format 0.0.4).
import { DURATION_BOUNDS, type Labels, type MetricInfo, type SeriesSnapshot } from "./registry.ts";

export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Metrics in the order of `infos`; those without a series are left out. */
export const prometheusText = (infos: readonly MetricInfo[], series: readonly SeriesSnapshot[]): string => {
  let text = "";
  for (const info of infos) {
    const rows = series.filter(({ name }) => name === info.name);
    if (rows.length === 0) continue;
    text += `# HELP ${info.name} ${escapeHelp(info.help)}\n# TYPE ${info.name} ${info.kind}\n`;
    for (const { labels, values } of rows) text += rowText(info, labels, values);
  }
  return text;
};

const rowText = ({ name, kind }: MetricInfo, labels: Labels, values: readonly number[]): string => {
  if (kind !== "histogram") return `${name}${labelText(labels)} ${values[0]}\n`;
  let text = "";
  let below = 0;
  for (const [at, bound] of [...DURATION_BOUNDS, Number.POSITIVE_INFINITY].entries()) {
    below += values[at];
    const le = bound === Number.POSITIVE_INFINITY ? "+Inf" : String(bound);
    text += `${name}_bucket${labelText({ ...labels, le })} ${below}\n`;
  }
  return `${text}${name}_sum${labelText(labels)} ${values.at(-1)}\n${name}_count${labelText(labels)} ${below}\n`;
};

const labelText = (labels: Labels): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
};

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
const escapeValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
