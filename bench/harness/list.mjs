// `npm run bench -- list`: what could be measured here, and what not and why.
import { peersOf } from "../peers/index.mjs";
import { H1_CASES, H2_CASES, PROXY_CASES, TLS_CASES } from "./cases.mjs";
import { findPeers } from "./servers.mjs";
import { align, bold, dim } from "./table.mjs";

/** @returns {Promise<number>} the exit status */
export const runList = async ({ ours }) => {
  for (const [kind, cases] of Object.entries({ h1: H1_CASES, h2: H2_CASES, tls: TLS_CASES, proxy: PROXY_CASES }))
    await listSuite(kind, cases, ours);
  return 0;
};

const listSuite = async (kind, all, ours) => {
  const cases = all.map((one) => [one.name, one.title, `${one.connections} conn.`]);
  console.log([bold(`${kind}: cases`), ...align(cases)].join("\n"));
  const { present, absent } = await findPeers(peersOf(kind, ours));
  const rows = present.map((peer) => {
    const refused = all.filter((one) => peer.refuses(one) !== undefined).map((one) => one.name);
    return [peer.name, peer.label, peer.version, refused.length === 0 ? "" : `not ${refused.join(", ")}`];
  });
  console.log([bold(`${kind}: implementations`), ...align(rows)].join("\n"));
  for (const peer of absent) console.log(dim(`${peer.name}: absent – ${peer.reason}`));
  console.log("");
};
