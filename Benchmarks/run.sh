#!/bin/bash
# Measures aegis against others in interleaved rounds and prints one Markdown table. README.md says what a row means.
#
#   Benchmarks/run.sh [ring|decode|isolated|ingest|memory|workloads ...]        nothing named: all of them
#
# ROUNDS=5 rounds a part · AEGIS=FILE the program for memory and workloads (default build/aegis) · PYTHON=FILE one that
# has websockets, aiohttp, uvloop and orjson (else a venv is made in a temporary folder) · RIGTORP_INCLUDE=FOLDER of
# rigtorp/SPSCQueue.h · BENCH_DATA=FOLDER with w1.bars · PEERS=FOLDER with limit.c, the workloads' oracle ·
# BIN=FOLDER of benchmark programs built before (then nothing is built)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
parts=("$@")
(( ${#parts[@]} )) || parts=(ring decode isolated ingest memory workloads)
for part in "${parts[@]}"; do
  case $part in ring | decode | isolated | ingest | memory | workloads) ;;
  *) echo "run.sh: \"$part\" is no part; use ring, decode, isolated, ingest, memory or workloads" >&2; exit 2 ;; esac
done
rounds=${ROUNDS:-5}
aegis=${AEGIS:-$root/build/aegis}
plugins=${AEGIS_PLUGINS_DIRECTORY:-$root/build/plugins}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=$work/results.jsonl
: >"$results"
say() { echo "run.sh: $*" >&2; }
wants() { [[ " ${parts[*]} " == *" $1 "* ]]; }

if [[ -n ${BIN:-} ]]; then
  bin=$BIN
elif wants ring || wants decode || wants isolated || wants ingest || wants memory; then
  say "building the benchmarks (minutes the first time)"
  build=(swift build -c release --package-path "$here" --scratch-path "$here/.build")
  programs=()
  wants ring && programs+=(RingBenchmark)
  wants decode && programs+=(DecodeBenchmark)
  wants isolated && programs+=(IsolatedBenchmark)
  { wants ingest || wants memory; } && programs+=(IngestBenchmark)
  wants memory && programs+=(BrainBenchmark)
  for program in "${programs[@]}"; do "${build[@]}" --product "$program" >&2; done
  bin=$("${build[@]}" --show-bin-path)
fi

ring() {
  local include=() peers=()
  [[ -n ${RIGTORP_INCLUDE:-} ]] && include=(-I "$RIGTORP_INCLUDE")
  if echo '#include <boost/lockfree/spsc_queue.hpp>' | g++ -E -x c++ - >/dev/null 2>&1; then
    g++ -O3 -march=native -std=c++17 "${include[@]}" "$here/peers/queues.cpp" -o "$work/queues"
    peers=("$work/queues")
  else
    say "boost is not installed (Debian: libboost-dev), so the rings have no peer"
  fi
  # Without a peer the program takes no further arguments.
  "$bin/RingBenchmark" ${peers[@]:+"${peers[@]}" "$rounds" "${MILLIONS:-10}"}
}

decode() { for ((round = 0; round < rounds; round++)); do "$bin/DecodeBenchmark" 100000 3; done; }

# The last round's lines count: nothing is compared here, so rounds only let the machine settle.
isolated() {
  mkdir -m 0700 -p "$work/isolated"
  cc -O2 -shared -fPIC -I "$root/plugin-sdk/include" "$here/peers/echo_plugin.c" -o "$work/isolated/echo.so"
  for ((round = 0; round < rounds; round++)); do
    "$bin/IsolatedBenchmark" "$(dirname "$aegis")/aegis-plugin-host" "$work/isolated/echo.so" 20000
  done
}

ingest() {
  local python=${PYTHON:-}
  if [[ -z $python ]]; then
    say "installing websockets, aiohttp, uvloop and orjson into a venv in $work (removed at the end)"
    python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q websockets aiohttp uvloop orjson >&2
    python=$work/venv/bin/python
  fi
  "$here/peers/ingest.sh" "$bin/IngestBenchmark" "$python" | grep -v '"allocations"'
}

# What the scripts print for people goes to standard error, their JSON into the results.
memory() {
  JSON=$work/allocations.jsonl "$here/allocations.sh" "$bin" "$plugins/libtrend_follower_c.so" >&2 || true
  JSON=$work/load.json AEGIS_PLUGINS_DIRECTORY=$plugins "$here/load.sh" "$aegis" >&2 || true
  cat "$work/allocations.jsonl" 2>/dev/null || true
  cat "$work/load.json" 2>/dev/null || true
  echo
}

workloads() {
  local peers=${PEERS:-$root/../shared/bench/peers} data=${BENCH_DATA:-$HOME/.cache/aegis-peers/data}
  if [[ ! -f $data/w1.bars || ! -f $peers/limit.c ]]; then
    say "workloads need w1.bars in BENCH_DATA ($data) and limit.c in PEERS ($peers); not measured"
    return 0
  fi
  cc -O3 -march=native -ffp-contract=off -w -o "$work/limit" "$peers/limit.c" -lm
  local oracle ours
  for ((round = 0; round < rounds; round++)); do
    oracle=$("$work/limit" "$data" w1 | sed -n 's/^RESULT //p' | tail -1)
    ours=$(AEGIS_PLUGINS_DIRECTORY=$plugins "$aegis" bench --workload W1 --data "$data" --limit 0 | sed 's/^RESULT //' | tail -1)
    echo "{\"workload\":\"W1\",\"ours\":$ours,\"oracle\":$oracle}"
  done
}

for part in "${parts[@]}"; do
  say "measuring $part"
  "$part" >>"$results" || say "$part did not run to its end"
done
[[ -n ${KEEP_RESULTS:-} ]] && cp "$results" "$KEEP_RESULTS"
python3 "$here/table.py" "$here/thresholds.json" "$results" "${parts[@]}"
