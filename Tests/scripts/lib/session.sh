# For the scripts beside this folder: a scratch folder, an exchange, an engine, and an end that leaves nothing behind.
# Source it; it sets AEGIS, PLUGINS, HERE, SCRATCH and the functions below.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PROJECT=$(cd "$HERE/../.." && pwd)
AEGIS=${AEGIS_BIN:-}
if [ -z "$AEGIS" ]; then
  AEGIS=$PROJECT/build/aegis
  [ -x "$AEGIS" ] || AEGIS=$PROJECT/.build/debug/aegis
fi
[ -x "$AEGIS" ] || { echo "no aegis to test: build it, or name it in AEGIS_BIN" >&2; exit 1; }
PLUGINS=${AEGIS_TEST_PLUGINS:-$PROJECT/build/plugins}
[ -d "$PLUGINS" ] || { echo "no plugins in $PLUGINS: make plugins, or name the folder in AEGIS_TEST_PLUGINS" >&2; exit 1; }
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/aegis-session-XXXXXX")
PIDS=()
NEEDED=""  # a process without which waiting is pointless
# What this machine has set must not reach the engine under test.
for name in $(env | sed -n 's/^\(AEGIS_[A-Z_]*\|BINANCE_[A-Z_]*\|TRADING_MODE\)=.*/\1/p'); do unset "$name"; done
export PYTHONDONTWRITEBYTECODE=1
export AEGIS_PLUGINS_DIRECTORY=$PLUGINS
DATA=$SCRATCH/data
export AEGIS_DATA_DIRECTORY=$DATA AEGIS_API_PORT=0

finish() {
  local code=$?
  trap - EXIT
  for pid in "${PIDS[@]:-}"; do [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${PIDS[@]:-}"; do
    for _ in $(seq 100); do [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && sleep 0.1 || break; done
    [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null || true
  done
  if [ $code -ne 0 ]; then
    for log in "$SCRATCH"/*.log; do [ -s "$log" ] && { echo "--- end of $(basename "$log")"; tail -25 "$log"; }; done
  fi
  rm -rf "$SCRATCH"
  exit $code
}
trap finish EXIT

say() { echo "  $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local deadline=$(( $(date +%s) + $1 )) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "$what did not happen in time"
    [ -z "$NEEDED" ] || kill -0 "$NEEDED" 2>/dev/null || fail "the engine ended before: $what"
    sleep 0.2
  done
}

# Funding is paid at 00:00, 08:00 and 16:00 UTC; a session that must add up to the last decimal keeps clear of it.
avoid_funding() {
  local left=$(( 28800 - $(date +%s) % 28800 ))
  if [ "$left" -lt "$1" ]; then
    say "waiting $((left + 2)) s until funding is paid"
    sleep $((left + 2))
  fi
}

# start_exchange ARGUMENTS...: sets REST and STREAMS. TAPE, when set, plays a recording instead of a generated market.
start_exchange() {
  local market=(--generate "${SYMBOLS:-6}" --seed "${SEED:-7}" --rate "${RATE:-300}")
  [ -z "${TAPE:-}" ] || market=(--tape "$TAPE")
  "$AEGIS" simulate "${market[@]}" "$@" >"$SCRATCH/exchange.out" 2>"$SCRATCH/exchange.log" &
  EXCHANGE=$!
  PIDS+=("$EXCHANGE")
  wait_for 60 "the exchange's ready line" grep -q '"rest"' "$SCRATCH/exchange.out"
  REST=$(field rest <"$SCRATCH/exchange.out")
  STREAMS=$(field streams <"$SCRATCH/exchange.out")
  export AEGIS_VENUE=$REST AEGIS_VENUE_STREAMS=$STREAMS
}

# field a.b.0: that value of the JSON on standard input.
field() {
  python3 -c '
import json, sys
value = json.loads(sys.stdin.readline() if sys.argv[1] in ("rest", "streams") else sys.stdin.read())
for part in sys.argv[1].split("."):
    value = value[int(part)] if isinstance(value, list) else value[part]
print(value)' "$1"
}

# settings: a plugin that turns every few trades, so that a short session has many round trips.
write_settings() {
  cat >"$SCRATCH/settings.yaml" <<YAML
plugins:
  load:
    - path: ${PLUGIN_NAME:-trend_follower}
      parameters: {source: trades, fast: "${FAST:-5}", slow: "${SLOW:-20}", expected: "0.02", confidence: "0.9"}
${EXTRA_SETTINGS:-}
YAML
}

# start_engine ARGUMENTS...: sets ENGINE. Its plugins are trusted as a person would do it, each by its content.
start_engine() {
  local file
  for file in "$PLUGINS"/*.so; do
    "$AEGIS" plugins trust "$file" --config "$SCRATCH/settings.yaml" >/dev/null || fail "plugins trust $file"
  done
  "$AEGIS" run --config "$SCRATCH/settings.yaml" --no-table "$@" >"$SCRATCH/engine.out" 2>"$SCRATCH/engine.log" &
  ENGINE=$!
  PIDS+=("$ENGINE")
  NEEDED=$ENGINE
  wait_for 30 "the start of trading" engine_trades
}

status() { "$AEGIS" status --config "$SCRATCH/settings.yaml" --json; }
engine_trades() { status | field state | grep -qx trading; }
at_least_round_trips() { [ "$(status | field totals.roundTrips)" -ge "$1" ]; }
has_open_position() { [ "$(status | field totals.openPositions)" -ge 1 ]; }
child() { status | python3 -c 'import json,sys; print(next(p["pid"] for p in json.load(sys.stdin)["processes"] if p["name"]==sys.argv[1]))' "$1"; }

# end_engine: Ctrl-C, and its exit code.
end_engine() {
  NEEDED=""
  kill -INT "$ENGINE"
  wait_for 30 "the end of the engine" eval "! kill -0 $ENGINE 2>/dev/null"
  wait "$ENGINE" || fail "the engine ended with exit code $?"
}

replay_all() {
  local folder run
  for folder in "$DATA"/*-"$1"; do
    for run in "$folder"/runs/run-*.json; do
      "$AEGIS" replay "$folder" --run "$(field run <"$run")" || fail "replay of $(basename "$run")"
    done
  done
}
