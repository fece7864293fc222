// The command line of `npm run bench`.
import { parseArgs } from "node:util";

export const HELP = `
npm run bench -- <command> [options]

  setup            install the peers: Debian packages (needs root) and the npm packages below bench/peers
  h1               measure HTTP/1.1: ours, its peers and the floors
  h2               measure HTTP/2 in the clear, by prior knowledge (h2load)
  tls              measure HTTPS: hello, bodies, handshakes (h2load, openssl s_time)
  proxy            measure reverse proxies in front of an origin on the load's processor
  all              h1, h2, tls and proxy, one after the other
  cores            one and all workers; uneven work beside a work-stealing runtime
  idle             memory of 10,000 idle keep-alive connections
  report [FILE]    make the HTML page from a result (the newest by default)
  list             print the cases and the peers, and which peers are absent

  --impl a,b       only these (prefix * for all that begin so: percore*)
  --case a,b       only these cases (hello* works too)
  --rounds N       interleaved rounds (5)
  --seconds S      length of a measured window, at most 3 (2)
  --ours DIR       also measure another checkout of ours, as "before"
  --load own|wrk   load generator (own; wrk with --gate, because the targets were set with it)
  --restart        start every server anew in each round (slow; shows what varies between processes)
  --quick          2 rounds of 0.5 s: does everything work?
  --gate           only what the targets need; says hit or miss; ends with status 1 on a miss
  --out FILE       where the result goes (bench/results/)
  --connections N  for idle (10000)
`;

const list = (text) => (text === undefined ? undefined : text.split(",").filter((part) => part !== ""));

/** @throws {Error} with a sentence for the user when an option is wrong */
export const readOptions = (args) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      impl: { type: "string" },
      case: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      ours: { type: "string" },
      load: { type: "string" },
      restart: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      gate: { type: "boolean", default: false },
      out: { type: "string" },
      connections: { type: "string", default: "10000" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 5));
  const seconds = Number(values.seconds ?? (values.quick ? 0.5 : 2));
  const connections = Number(values.connections);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 50)
    throw new Error("--rounds is a whole number from 1 to 50");
  if (!(seconds >= 0.2 && seconds <= 3)) throw new Error("--seconds is a number from 0.2 to 3");
  if (!Number.isInteger(connections) || connections < 1 || connections > 19_000)
    throw new Error("--connections is 1 to 19000");
  const load = values.load ?? (values.gate ? "wrk" : "own");
  if (load !== "own" && load !== "wrk") throw new Error("--load is own or wrk");
  return {
    ...values,
    load,
    rounds,
    seconds,
    connections,
    impl: list(values.impl),
    case: list(values.case),
    command: positionals,
  };
};

/**
 * Chooses by name, with `*` at the end for a prefix.
 *
 * @throws {Error} when a name fits nothing
 */
export const choose = (what, all, names) => {
  if (names === undefined) return all;
  const fits = (name, one) => (name.endsWith("*") ? one.name.startsWith(name.slice(0, -1)) : one.name === name);
  for (const name of names) {
    if (all.some((one) => fits(name, one))) continue;
    throw new Error(`no ${what} named ${name}; there are ${all.map((one) => one.name).join(", ")}`);
  }
  return all.filter((one) => names.some((name) => fits(name, one)));
};
