// The room walls of ARCHITECTURE.md, checked. A package imports leftwards only:
//
//   native → core → http → h1, h2 → server → proxy          tls sits on core; server joins tls with h1 and h2
const MAY_IMPORT = {
  native: [],
  core: ["native"],
  http: ["core"],
  h1: ["core", "http"],
  h2: ["core", "http"],
  tls: ["native", "core"],
  server: ["core", "http", "h1", "h2", "tls"],
  proxy: ["core", "http", "h1", "h2", "tls", "server"],
};
const ROOMS = Object.keys(MAY_IMPORT);

const folder = (room) => (room === "native" ? "^native/" : `^packages/${room}/`);

const walls = ROOMS.map((room) => ({
  name: `${room}-imports-leftwards`,
  comment: `${room} may import only: ${MAY_IMPORT[room].join(", ") || "nothing of ours"}`,
  severity: "error",
  from: { path: folder(room) },
  to: { path: ROOMS.filter((other) => other !== room && !MAY_IMPORT[room].includes(other)).map(folder) },
}));

// Inside a protocol package: codec (no I/O, no clock) → connection → role.
const layers = [
  { from: "codec", to: ["connection", "server", "client"] },
  { from: "connection", to: ["server", "client"] },
].map(({ from, to }) => ({
  name: `${from}-knows-no-${to[0]}`,
  comment: "A protocol package is layered codec → connection → role; a file imports leftwards only.",
  severity: "error",
  from: { path: `^packages/(h1|h2)/src/${from}/` },
  to: { path: to.map((layer) => `^packages/$1/src/${layer}[./]`) },
}));

module.exports = {
  forbidden: [
    ...walls,
    ...layers,
    {
      name: "no-circular",
      comment: "Two files that need each other are one file, or a third is missing. Types may point back.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "codec-does-no-io",
      // node:net is not in the list: codecs ask it what an IP address is (isIP), which touches no socket.
      comment: "A codec turns bytes into messages and back; sockets, files and clocks belong to the connection.",
      severity: "error",
      from: { path: "^packages/(h1|h2)/src/codec/" },
      to: { path: "^(node:)?(fs|tls|http|http2|https|dgram|timers|worker_threads|child_process)(/|$)" },
    },
    {
      name: "no-test-in-src",
      comment: "What is shipped does not depend on what tests it.",
      severity: "error",
      from: { path: "^packages/[^/]+/src/" },
      to: { path: ["^packages/[^/]+/test/", "node_modules/(tap|fast-check)/"] },
    },
    {
      name: "siblings-by-name",
      comment: "A sibling package is imported by its name, through its exports, never by a relative path.",
      severity: "error",
      from: { path: "^packages/([^/]+)/" },
      to: { path: "^(packages/[^/]+|native)/", pathNot: "^packages/$1/", dependencyTypes: ["local"] },
    },
    {
      name: "not-resolvable",
      comment: "An import that resolves to nothing.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ["node_modules", "/dist/", "/build/"] },
    exclude: { path: ["/build/", "^native/(build|deps)/"] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
