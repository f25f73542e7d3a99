-- What wrk sends, and what it says afterwards: one line of JSON.
local large = os.getenv("BENCH_HEADERS") == "large"
local put = os.getenv("BENCH_METHOD") == "put"

wrk.headers["Host"] = "shop.example.com"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
wrk.headers["Accept"] = "application/json"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.5"
wrk.headers["Cookie"] = "session=5f2b1c9de0a84417; theme=dark; consent=2025-06-16T08:00:00Z"
wrk.headers["X-Trace"] = "6ad0f2c20a3c4f0b9d9e1f7c7b0a5a11-1f7c7b0a5a11"
wrk.path = "/api/v1/products?category=lamps&page=2"
if large then
  for number = 1, 60 do
    wrk.headers["X-Large-" .. number] = string.rep("v", 100)
  end
  wrk.path = "/large"
end
if put then
  wrk.method = "PUT"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = string.rep("b", 16384)
end

-- Each of several paths in turn, if any are given.
local paths = {}
for path in (os.getenv("BENCH_PATHS") or ""):gmatch("%S+") do
  paths[#paths + 1] = path
end
if #paths > 0 then
  local messages, turn = {}, 0
  function init()
    for number, path in ipairs(paths) do
      messages[number] = wrk.format(nil, path)
    end
  end
  function request()
    turn = turn % #messages + 1
    return messages[turn]
  end
end

function done(summary, latency, requests)
  io.write(string.format(
    '\nRESULT {"requests": %d, "micros": %d, "failed": %d, "broken": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
