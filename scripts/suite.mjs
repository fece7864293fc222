// suite.mjs — runs the compiled tap suite of one package and says how it went.
import path from "node:path";
import { run } from "./command.mjs";
import { TapResults } from "./tap-results.mjs";
import { BIN, testFiles } from "./workspace.mjs";

/** A loaded two-processor machine is slow to start a process; a hung test must still end within the run. */
const FILE_SECONDS_MIN = 180;
/** Enough for a crash's message and stack, not for a log. */
const STDERR_LINES = 60;

/**
 * @param {{ directory: string, manifest: { name: string } }} subject
 * @param {{ timeoutMs: number, env?: NodeJS.ProcessEnv, files?: string[], node?: string }} options
 *   `node` is the binary to run under, this one's unless given; `files` a choice of compiled test files.
 * @returns {Promise<{ results: TapResults, seconds: number }>}
 */
export const runSuite = async (subject, options) => {
  const results = new TapResults();
  const files = (options.files ?? testFiles(subject.directory)).map((file) => path.relative(subject.directory, file));
  if (files.length === 0) return { results, seconds: 0 };
  const parser = results.parser();
  const fileSeconds = Math.max(FILE_SECONDS_MIN, Math.round(options.timeoutMs / 4000));
  const tap = path.join(path.dirname(BIN), "tap", "dist", "esm", "run.mjs");
  const args = [tap, "run", "--reporter=tap", "--disable-coverage", `--timeout=${fileSeconds}`, ...files];
  const outcome = await run(options.node ?? process.execPath, args, {
    cwd: subject.directory,
    env: options.env,
    timeoutMs: options.timeoutMs,
    onStdout: (chunk) => parser.write(chunk),
  });
  await new Promise((resolve) => {
    parser.once("complete", resolve);
    parser.end();
  });
  const { name } = subject.manifest;
  const errors = outcome.output.trimEnd().split("\n").slice(-STDERR_LINES).join("\n");
  if (outcome.timedOut) results.fail(name, `no end after ${options.timeoutMs / 1000} s`);
  else if (outcome.code !== 0 && results.failed === 0) results.fail(name, `tap: exit status ${outcome.code}`);
  const last = results.failures.at(-1);
  if (last !== undefined && errors !== "") last.detail += `\n\nstandard error of the suite:\n${errors}`;
  return { results, seconds: outcome.seconds };
};
