// endpoints.ts — what can be asked of and told to a running proxy.
import { routesOf } from "../config/routes-of.ts";
import { PROMETHEUS_TYPE, prometheusText } from "../metrics/prometheus.ts";
import { PROXY_METRICS } from "../metrics/proxy-metrics.ts";
import type { ServerOverride, ServerStatus, UpstreamStatus } from "../plan.ts";
import type { HostPattern } from "../routing/host.ts";
import { orderRoutes } from "../routing/route-table.ts";
import type { Control } from "../run/control.ts";
import type { WorkerStatus } from "../run/messages.ts";

export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface AdminAnswer {
  readonly status: number;
  /** A text, or what becomes JSON. */
  readonly body: unknown;
  readonly type?: string;
}

const MENU = `The admin API of this proxy.

  GET  /status                    version, workers, addresses
  GET  /upstreams                 servers with their states and counts, over all workers
  GET  /routes                    routes in the order in which they are tried
  GET  /metrics                   for Prometheus
  GET  /health                    200 while it serves, 503 while it drains
  POST /reload                    reads the configuration again
  POST /servers?upstream=U&server=S&state=auto|up|down|drain&weight=1..256
  POST /logs/reopen               goes on in new log files
  POST /upgrade                   hands over to a new process
  POST /drain                     lets everybody finish, and ends
`;

/** Carries a request out. Only POST changes anything. */
export const answerAdmin = async (control: Control, { method, path, query }: AdminRequest): Promise<AdminAnswer> => {
  switch (`${method === "HEAD" ? "GET" : method} ${path}`) {
    case "GET /":
      return { status: 200, body: MENU };
    case "GET /status":
      return { status: 200, body: await statusOf(control) };
    case "GET /upstreams":
      return { status: 200, body: mergeUpstreams((await control.status()).workers) };
    case "GET /routes":
      return { status: 200, body: routeList(control) };
    case "GET /metrics":
      return { status: 200, body: prometheusText(PROXY_METRICS, await control.metrics()), type: PROMETHEUS_TYPE };
    case "GET /health":
      return control.draining ? { status: 503, body: "draining\n" } : { status: 200, body: "ok\n" };
    case "POST /reload": {
      const report = await control.reload("admin");
      return { status: report.ok ? 200 : 422, body: report };
    }
    case "POST /servers":
      return adjustServer(control, query);
    case "POST /logs/reopen":
      await control.reopenLogs();
      return { status: 200, body: { ok: true } };
    case "POST /upgrade": {
      const report = await control.upgrade();
      return { status: report.ok ? 200 : 500, body: report };
    }
    case "POST /drain":
      void control.drain();
      return { status: 202, body: { ok: true, message: "draining" } };
    default:
      return { status: KNOWN_PATHS.has(path) ? 405 : 404, body: { error: "GET / says what there is" } };
  }
};

const KNOWN_PATHS: ReadonlySet<string> = new Set(
  [...MENU.matchAll(/(?:GET|POST) +(\/[a-z/]*)/g)].map((match) => match[1]),
);

const statusOf = async (control: Control): Promise<object> => {
  const { workers, silent } = await control.status();
  return {
    pid: process.pid,
    node: process.version,
    startedAt: new Date(control.startedMs).toISOString(),
    draining: control.draining,
    config: control.loaded.file,
    listeners: workers[0]?.listeners ?? [],
    workers: workers.map(({ worker, driver, generation, connections, requests }) => ({
      worker,
      driver,
      generation,
      connections,
      requests,
    })),
    silent,
  };
};

type ServerRow = Omit<ServerStatus, "state"> & { readonly states: readonly string[] };

/** Counts of all workers added up; a server has as many states as workers have different opinions of it. */
export const mergeUpstreams = (workers: readonly WorkerStatus[]): object[] => {
  const names = [...new Set(workers.flatMap(({ upstreams }) => upstreams.map(({ name }) => name)))];
  return names.map((name) => {
    const parts = workers.flatMap(({ upstreams }) => upstreams.filter((one) => one.name === name));
    const total = (pick: (part: UpstreamStatus) => number): number => parts.reduce((sum, part) => sum + pick(part), 0);
    return {
      name,
      active: total(({ active }) => active),
      pending: total(({ pending }) => pending),
      panic: parts.some(({ panic }) => panic),
      servers: mergeServers(parts.flatMap(({ servers }) => servers)),
    };
  });
};

const mergeServers = (servers: readonly ServerStatus[]): ServerRow[] =>
  [...new Set(servers.map(({ text }) => text))].map((text) => {
    const parts = servers.filter((one) => one.text === text);
    const total = (pick: (part: ServerStatus) => number): number => parts.reduce((sum, part) => sum + pick(part), 0);
    return {
      text,
      addresses: [...new Set(parts.flatMap(({ addresses }) => addresses))],
      states: [...new Set(parts.map(({ state }) => state))],
      override: parts[0].override,
      weight: parts[0].weight,
      active: total(({ active }) => active),
      connections: total(({ connections }) => connections),
      idle: total(({ idle }) => idle),
      requests: total(({ requests }) => requests),
      failures: total(({ failures }) => failures),
    };
  });

const routeList = ({ loaded }: Control): object[] =>
  orderRoutes(routesOf(loaded)).map(({ host, route }) => ({
    name: route.name,
    host: hostText(host),
    path: route.pattern.text,
    methods: route.conditions.methods === null ? "any" : [...route.conditions.methods],
    action: route.action.kind,
    ...(route.action.kind === "forward" ? { upstreams: route.action.to.map(({ upstream }) => upstream) } : {}),
  }));

export const hostText = (host: HostPattern): string => {
  switch (host.kind) {
    case "any":
      return "*";
    case "exact":
      return host.host;
    case "wildcard":
      return `*${host.suffix}`;
  }
};

const OVERRIDES: readonly string[] = ["auto", "up", "down", "drain"] satisfies ServerOverride[];
const WEIGHT_MAX = 256;

const adjustServer = async (control: Control, query: URLSearchParams): Promise<AdminAnswer> => {
  const bad = (error: string): AdminAnswer => ({ status: 400, body: { error } });
  for (const name of query.keys()) {
    if (!["upstream", "server", "state", "weight"].includes(name)) return bad(`there is no parameter "${name}"`);
  }
  const [upstream, server, state, weight] = ["upstream", "server", "state", "weight"].map((name) => query.get(name));
  if (upstream === null || server === null) return bad("upstream and server say which one; GET /upstreams lists them");
  if (state === null && weight === null) return bad("state or weight says what is to change");
  if (state !== null && !OVERRIDES.includes(state)) return bad(`state is one of ${OVERRIDES.join(", ")}`);
  if (weight !== null && !(/^\d{1,3}$/.test(weight) && Number(weight) >= 1 && Number(weight) <= WEIGHT_MAX)) {
    return bad(`weight is a number from 1 to ${WEIGHT_MAX}; state=drain takes a server out`);
  }
  const done = await control.adjust({
    upstream,
    server,
    override: state as ServerOverride | null,
    weight: weight === null ? null : Number(weight),
  });
  return done
    ? { status: 200, body: { ok: true } }
    : { status: 404, body: { error: `there is no server "${server}" in an upstream "${upstream}"` } };
};
