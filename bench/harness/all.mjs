// `npm run bench -- all`: the stages one after the other, a page for each.
import { runSuite } from "./suite.mjs";

/** @returns {Promise<number>} the exit status: 1 where any stage's is */
export const runAll = async (options) => {
  let status = 0;
  for (const kind of ["h1", "h2", "tls", "proxy"])
    status = Math.max(status, await runSuite(kind, { ...options, out: undefined }));
  return status;
};
