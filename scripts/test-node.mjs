// test-node.mjs — the compiled suites under another Node, which npm provides.
//
//   npm run test:node -- 24                          every suite
//   npm run test:node -- 24 native server/black-box  one package's, and one folder of another's
//
// The binary and an addon compiled against its headers live in .cache/node-<version>/; the tree's own addon stays.
import path from "node:path";
import { compileAddonCopy } from "./addon-copy.mjs";
import { choose, runChosen, UnknownSuite } from "./chosen.mjs";
import { installNode, isVersion } from "./other-node.mjs";
import { orExit, setup } from "./setup.mjs";

const SUITE_MS = 8 * 60_000;

const usage = (problem) => {
  process.stderr.write(
    `${problem}\nUsage: npm run test:node -- VERSION [package[/folder of its tests]…]     e.g. 24 core server/black-box\n`,
  );
  process.exit(64);
};

const [version, ...names] = process.argv.slice(2);
if (!isVersion(version)) usage("Which Node?");

const { node, addon } = await orExit(async () => {
  await setup();
  const node = await installNode(version);
  const way = `Node ${node.version}`;
  return { node, addon: await compileAddonCopy(path.join(node.home, "native"), { way, env: node.env }) };
});
try {
  const env = { ...node.env, PERCORE_ADDON: addon };
  await runChosen(`percore under Node ${node.version}`, choose(names), {
    timeoutMs: SUITE_MS,
    env,
    node: node.binary,
  });
} catch (error) {
  if (!(error instanceof UnknownSuite)) throw error;
  usage(error.message);
}
