-- Sends pictures in turn and holds every answer against those that were given before: benchmarks/serve.py starts it as
--   wrk -s benchmarks/serve.lua URL -- FOLDER COUNT TYPE
-- FOLDER holds 0.body .. and 0.answer ..; an answer is right if it is one of them.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function content_of(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

function init(arguments)
  local folder, count, kind = arguments[1], tonumber(arguments[2]), arguments[3]
  bodies, known, sent = {}, {}, 0
  right, wrong, busy = 0, 0, 0
  for number = 0, count - 1 do
    bodies[number] = content_of(folder .. "/" .. number .. ".body")
    known[content_of(folder .. "/" .. number .. ".answer")] = true
  end
  headers = { ["Content-Type"] = kind }
end

function request()
  local body = bodies[sent % (#bodies + 1)]
  sent = sent + 1
  return wrk.format("POST", nil, headers, body)
end

function response(status, _, body)
  if status == 503 then
    busy = busy + 1
  elseif status == 200 and known[body] then
    right = right + 1
  else
    wrong = wrong + 1
  end
end

function done(summary, latency)
  local right, wrong, busy = 0, 0, 0
  for _, thread in ipairs(threads) do
    right, wrong, busy = right + thread:get("right"), wrong + thread:get("wrong"), busy + thread:get("busy")
  end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    'RESULT {"right": %d, "wrong": %d, "busy": %d, "lost": %d, "seconds": %f, "p50": %f, "p95": %f, "p99": %f}\n',
    right, wrong, busy, lost, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
