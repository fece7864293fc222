-- For `--load wrk`: sends the bytes of a file (one request, or several one after the other) and prints the figures as JSON.
local batch

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local one = file:read("*a")
  file:close()
  batch = one:rep(tonumber(args[2]))
end

function request()
  return batch
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%f,"bytes":%d,"latency":{"mean":%f,"p50":%f,"p90":%f,"p99":%f,"p999":%f,"max":%f},' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency.mean * 1e3, latency:percentile(50) * 1e3,
    latency:percentile(90) * 1e3, latency:percentile(99) * 1e3, latency:percentile(99.9) * 1e3, latency.max * 1e3,
    e.connect, e.read, e.write, e.status, e.timeout))
end
