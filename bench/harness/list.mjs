// `npm run bench -- list`: what could be measured here, and what not and why.
import { allPeers } from "../peers/index.mjs";
import { CASES } from "./cases.mjs";
import { findPeers } from "./servers.mjs";
import { align, bold, dim } from "./table.mjs";

/** @returns {Promise<number>} the exit status */
export const runList = async ({ ours }) => {
  const cases = CASES.map((one) => [one.name, one.title, `${one.connections} conn.`]);
  console.log([bold("cases"), ...align(cases)].join("\n"));
  const { present, absent } = await findPeers(allPeers(ours));
  const rows = present.map((peer) => {
    const refused = CASES.filter((one) => peer.refuses(one) !== undefined).map((one) => one.name);
    return [peer.name, peer.label, peer.version, refused.length === 0 ? "" : `not ${refused.join(", ")}`];
  });
  console.log(["", bold("implementations"), ...align(rows)].join("\n"));
  for (const peer of absent) console.log(dim(`${peer.name}: absent – ${peer.reason}`));
  return 0;
};
