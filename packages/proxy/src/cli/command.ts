// command.ts — what `percore-proxy` and `percore proxy` do: run, check, schema.
import { existsSync, readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { addressError, listenError } from "../config/address.ts";
import { checkConfig, DEFAULT_FILES, type LoadedConfig, loadConfig } from "../config/load.ts";
import { planOf } from "../config/plan-of.ts";
import { ConfigError } from "../config/problem.ts";
import { routesOf } from "../config/routes-of.ts";
import { type ConfigInput, jsonSchema } from "../config/schema.ts";
import { makeForwarder } from "../forward/make-forwarder.ts";
import { isProxyWorker, joinProxy, startProxy } from "../run/start.ts";
import { type DemoOptions, demoConfig, demoMenu, startUpstreams } from "./demo.ts";
import { describeRoutes, greeting } from "./describe.ts";

interface RunFlags {
  readonly config?: string;
  readonly from?: string[];
  readonly to?: string[];
  readonly workers?: string;
  readonly driver?: "auto" | "uring" | "poll";
  readonly log?: boolean | string;
  readonly admin?: string;
}

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Carries the command line out. Sets the exit status; says what is wrong on standard error. */
export const runCommand = async (argv: readonly string[], name: string): Promise<void> => {
  // A worker runs the same program; what it is to do it knows from the main thread.
  if (isProxyWorker()) {
    joinProxy(makeForwarder);
    return;
  }
  try {
    await program(name).parseAsync([...argv]);
  } catch (error) {
    const text =
      error instanceof ConfigError
        ? error.message
        : `${name}: ${error instanceof Error ? error.message : String(error)}`;
    process.stderr.write(`${text}\n${hintFor(error)}`);
    process.exitCode = 1;
  }
};

const program = (name: string): Command => {
  const command = new Command(name)
    .description("Percore's reverse proxy")
    .version(manifest.version)
    .enablePositionalOptions()
    .showHelpAfterError()
    .option(
      "-c, --config <file>",
      `configuration: YAML, JSON or TypeScript (default: ${DEFAULT_FILES[0]} and the like)`,
    )
    .option("-f, --from <address...>", 'address to listen on, instead of a file: ":8080"')
    .option("-t, --to <address...>", 'servers to send everything to: "localhost:3000"')
    .option("-w, --workers <number>", 'threads, or "auto" for one per processor')
    .addOption(new Option("--driver <name>", "how to talk to the kernel").choices(["auto", "uring", "poll"]))
    .option("--log [file]", "access log, to a file or standard output")
    .option("--admin <address>", 'address of the admin API: "127.0.0.1:9000", "unix:/run/proxy-admin.sock"')
    .action((flags: RunFlags) => runProxy(flags));
  command
    .command("check [file]")
    .description(
      "say what is wrong with a configuration, or the order of its routes; exit with status 1 when something is",
    )
    .option("-q, --quiet", "say nothing where nothing is wrong")
    .action((file: string | undefined, flags: { quiet?: boolean }) => check(file, flags.quiet ?? false));
  command
    .command("schema")
    .description("print the JSON Schema of the configuration, for editors")
    .action(() => void process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`));
  command
    .command("demo")
    .description("run the proxy before two small servers, to try it")
    .option("-p, --port <number>", "port of plain HTTP; https is 443 above it", "3000")
    .option("--cert <file>", "certificate for https")
    .option("--key <file>", "its key")
    .option("-w, --workers <number>", 'threads, or "auto" for one per processor', "1")
    .addOption(
      new Option("--driver <name>", "how to talk to the kernel").choices(["auto", "uring", "poll"]).default("auto"),
    )
    .action((flags: DemoFlags) => runDemo(flags));
  return command;
};

type DemoFlags = Omit<DemoOptions, "port" | "workers"> & { readonly port: string; readonly workers: string };

const runDemo = async ({ port, workers, ...others }: DemoFlags): Promise<void> => {
  if (!(/^\d+$/.test(port) && Number(port) <= 65_000)) throw new Error("--port is a number from 0 to 65000");
  const upstreams = await startUpstreams();
  const input = demoConfig({ ...others, port: Number(port), workers: workersOf(workers) }, upstreams.addresses);
  const loaded: LoadedConfig = { ...checkConfig(input), kind: "data", file: "demo" };
  const proxy = await startProxy(loaded, { makeForwarder });
  const { workers: up } = await proxy.control.status();
  const places = (up[0]?.listeners ?? [])
    .flatMap(({ addresses }) => addresses)
    .map((place) => place.replace("[::]", "localhost"));
  process.stdout.write(greeting(loaded, up));
  const [http, https] = places;
  process.stdout.write(
    demoMenu(`http://${http}`, https === undefined ? null : `https://${https}`, `http://${proxy.adminAddress}`),
  );
  await proxy.closed;
  upstreams.close();
};

const runProxy = async (flags: RunFlags): Promise<void> => {
  const loaded = withFlags(flags.to === undefined ? await loadConfig(fileOf(flags.config)) : fromFlags(flags), flags);
  const proxy = await startProxy(loaded, { makeForwarder });
  const { workers } = await proxy.control.status();
  process.stdout.write(greeting(loaded, workers));
};

/** A proxy without a file. */
const fromFlags = ({ from, to, config }: RunFlags): LoadedConfig => {
  if (config !== undefined) throw new Error("--config and --to exclude each other");
  for (const address of from ?? []) expectGood("--from", address, listenError(address));
  for (const address of to ?? []) expectGood("--to", address, addressError(address));
  const input: ConfigInput = { listen: from ?? ":8080", upstreams: { to: to ?? [] }, routes: [{ upstream: "to" }] };
  // It has no functions, so workers can be told it as it is.
  return { ...checkConfig(input), kind: "data" };
};

const expectGood = (flag: string, address: string, wrong: string | null): void => {
  if (wrong !== null) throw new Error(`${flag} ${address}: ${wrong}`);
};

/** What the command line says goes before what the file says. */
const withFlags = (loaded: LoadedConfig, flags: RunFlags): LoadedConfig => {
  const { workers, driver, log, admin, from, to } = flags;
  if (from !== undefined && to === undefined) throw new Error('--from goes with --to; in a file it is "listen"');
  if (admin !== undefined) expectGood("--admin", admin, listenError(admin));
  const count = workers === undefined ? undefined : workersOf(workers);
  return {
    ...loaded,
    config: {
      ...loaded.config,
      ...(count === undefined ? {} : { workers: count }),
      ...(driver === undefined ? {} : { driver }),
      ...(log === undefined ? {} : { accessLog: log }),
      ...(admin === undefined ? {} : { admin }),
    },
  };
};

const workersOf = (text: string): number | "auto" => {
  if (text === "auto") return text;
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 64) return count;
  throw new Error('--workers is a number from 1 to 64, or "auto"');
};

const check = async (file: string | undefined, quiet: boolean): Promise<void> => {
  const loaded = await loadConfig(fileOf(file));
  planOf(loaded);
  if (!quiet) process.stdout.write(describeRoutes(loaded.file, routesOf(loaded)));
};

/** The file that was named, or the first of the usual names that is there. */
const fileOf = (given: string | undefined): string => {
  if (given !== undefined) return given;
  const found = DEFAULT_FILES.find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new Error(
    `no configuration: there is no ${DEFAULT_FILES[0]} here. Name a file with --config, or begin without one:\n` +
      "  percore-proxy --from :8080 --to localhost:3000",
  );
};

const hintFor = (error: unknown): string => {
  const { code } = error as { code?: string };
  if (code === "EADDRINUSE") return "  another program listens there\n";
  return code === "EACCES" ? "  ports below 1024 need privileges\n" : "";
};
