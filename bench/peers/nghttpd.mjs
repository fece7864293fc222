import { documents } from "./documents.mjs";
import { findProgram } from "./find.mjs";

/** nghttp2's own server: HTTP/2 only, files only, `--echo-upload` for POST. */
export const nghttpd = {
  name: "nghttpd",
  label: "nghttpd",
  kind: "server",
  find: () => findProgram("nghttpd", { env: "BENCH_NGHTTPD" }),
  refuses: (one) => {
    if (one.wire.protocol !== "h2" || one.wire.tls) return "measured in the clear";
  },
  start: ({ binary, port, scratch, workers }) => ({
    command: [binary, "--no-tls", "--echo-upload", `-n${workers}`, "-m1024", "-d", documents(scratch), String(port)],
  }),
};
