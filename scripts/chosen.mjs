// chosen.mjs — runs the suites that are asked for by name: a package (core), or one folder of its tests (server/black-box).
//
//   node scripts/chosen.mjs core server/black-box      as the tree is, without setting up (in a virtual machine, say)
import path from "node:path";
import { fileURLToPath } from "node:url";
import { orExit, SetupError } from "./setup.mjs";
import { packages, testFiles } from "./workspace.mjs";

/** A name that no package or folder of tests has. */
export class UnknownSuite extends SetupError {}

const isOf = (name, { room, directory }, file) => {
  const within = path.relative(directory, file).replace(/^build\//, "");
  return name === room || (name.startsWith(`${room}/`) && within.startsWith(`test/${name.slice(room.length + 1)}/`));
};

/**
 * @param {string[]} names none: every package
 * @returns {{ subject: ReturnType<typeof packages>[number], files: string[] }[]} compiled test files, by package
 * @throws {UnknownSuite}
 */
export const choose = (names) => {
  const all = packages().map((subject) => ({ subject, files: testFiles(subject.directory) }));
  for (const name of names) {
    if (all.some(({ subject, files }) => files.some((file) => isOf(name, subject, file)))) continue;
    const rooms = all.map(({ subject }) => subject.room);
    throw new UnknownSuite(`No tests: ${name}. Packages: ${rooms.join(", ")}; or a folder of one, as server/black-box`);
  }
  return all
    .map(({ subject, files }) => ({
      subject,
      files: names.length === 0 ? files : files.filter((file) => names.some((name) => isOf(name, subject, file))),
    }))
    .filter(({ files }) => files.length > 0);
};

/**
 * Runs what was chosen, prints the report and sets the exit status.
 *
 * @param {string} title
 * @param {ReturnType<typeof choose>} chosen
 * @param {{ timeoutMs: number, env?: NodeJS.ProcessEnv, node?: string }} options a limit for each package's suite
 */
export const runChosen = async (title, chosen, options) => {
  const { Report } = await import("./report.mjs");
  const { runSuite } = await import("./suite.mjs");
  const report = new Report(title);
  for (const { subject, files } of chosen) {
    const { results, seconds } = await runSuite(subject, { ...options, files });
    report.suite(subject.manifest.name, results, seconds);
  }
  report.close();
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { describeMachine } = await import("./machine.mjs");
  const minutes = Number(process.env.PERCORE_SUITE_MINUTES ?? 8);
  const chosen = await orExit(() => choose(process.argv.slice(2)));
  await runChosen(`percore: ${describeMachine()}`, chosen, { timeoutMs: minutes * 60_000 });
}
