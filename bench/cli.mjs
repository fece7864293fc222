// The bench's command line; see README.md.
import { HELP, readOptions } from "./harness/options.mjs";

const COMMANDS = {
  setup: async () => (await import("./harness/setup.mjs")).runSetup(),
  h1: async (options) => (await import("./harness/suite.mjs")).runSuite("h1", options),
  h2: async (options) => (await import("./harness/suite.mjs")).runSuite("h2", options),
  tls: async (options) => (await import("./harness/suite.mjs")).runSuite("tls", options),
  proxy: async (options) => (await import("./harness/suite.mjs")).runSuite("proxy", options),
  all: async (options) => (await import("./harness/all.mjs")).runAll(options),
  cores: async (options) => (await import("./cores/cores.mjs")).runCores(options),
  budget: async () => (await import("./budget/budget.mjs")).runBudget(),
  idle: async (options) => (await import("./harness/idle.mjs")).runIdle(options),
  list: async (options) => (await import("./harness/list.mjs")).runList(options),
  report: async (options) => (await import("./report/page.mjs")).runReport(options),
};

const main = async () => {
  const options = readOptions(process.argv.slice(2));
  const [name] = options.command;
  if (options.help || name === undefined) {
    console.log(HELP);
    return 0;
  }
  const command = COMMANDS[name];
  if (command === undefined) throw new Error(`no command named ${name}; there are ${Object.keys(COMMANDS).join(", ")}`);
  return command(options);
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
}
