// Runs `openssl s_time`: one connection after the other, each with a handshake and one request.

/** Several at once keep the server busy while a client computes its own half. */
const CLIENTS = 4;

export const handshakeCommand = (one, port, seconds) => {
  const client = ["openssl", "s_time", "-connect", `127.0.0.1:${port}`, "-www", "/", one.resume ? "-reuse" : "-new"];
  const command = [...client, "-time", String(Math.max(1, Math.round(seconds)))].join(" ");
  return ["bash", "-c", `for i in $(seq ${CLIENTS}); do ${command} & done; wait`];
};

/** "123 connections in 2 real seconds, 456 bytes read per connection", once for each client. */
const LINE = /^(\d+) connections in (\d+) real seconds, (\d+) bytes read per connection/gm;

/** @returns {import("./load.mjs").LoadResult} a request is a connection with its handshake */
export const parseHandshakes = (output) => {
  const lines = [...output.matchAll(LINE)];
  if (lines.length !== CLIENTS) throw new Error(`openssl s_time failed: ${output.trim().slice(-500)}`);
  const sum = (column) => lines.reduce((total, line) => total + Number(line[column]), 0);
  return {
    requests: sum(1),
    seconds: sum(2) / CLIENTS,
    bytes: 0,
    latency: { mean: null, p50: null, p90: null, p99: null, p999: null, max: null },
    errors: {},
  };
};
