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

-- wrk "corrects" its latencies for coordinated omission; at high rates that leaves percentiles empty, which are then null.
local function at(latency, percent)
  local value = latency:percentile(percent)
  return value > 0 and string.format("%f", value * 1e3) or "null"
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%f,"bytes":%d,"latency":{"mean":%f,"p50":%s,"p90":%s,"p99":%s,"p999":%s,"max":%f},' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency.mean * 1e3, at(latency, 50), at(latency, 90),
    at(latency, 99), at(latency, 99.9), latency.max * 1e3, e.connect, e.read, e.write, e.status, e.timeout))
end
