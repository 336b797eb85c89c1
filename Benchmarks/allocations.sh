#!/bin/sh
# Allocations per event on our side of the frame, counted by an interposed allocator. The goal is 0.
#
#   Benchmarks/allocations.sh [FOLDER-OF-BENCHMARK-PROGRAMS] [PLUGIN.so]
#
# feed   bytes of a real loopback socket → frame parser → scanner → firewall → ring (after NIO's read)
# brain  ring → Brain → plugin → desk → simulated exchange → journal on disk, after warm-up
# JSON=FILE also appends what the programs said, a line each.
# Before its count is believed, each program allocates 1,000 times on purpose and must be seen doing it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=${1:-$(swift build -c release --package-path "$here" --scratch-path "$here/.build" --show-bin-path)}
plugin=${2:-$here/../build/plugins/libtrend_follower_c.so}
[ -f "$plugin" ] || { echo "allocations.sh: $plugin is not there: run make plugins" >&2; exit 2; }
work=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$work"' EXIT
cc -O2 -o "$work/wsload" "$here/peers/wsload.c"
cc -O2 -shared -fPIC -o "$work/malloccount.so" "$here/peers/malloccount.c" -ldl
port=${PORT:-19743}
"$work/wsload" "$port" mix 1000000 &
server=$!
sleep 1

status=0
# judge NAME JSON-LINE COUNT-FIELD: prints a row; a line without the field is a failure too
judge() {
  count=$(printf '%s' "$2" | sed -n "s/.*\"$3\":\([0-9]*\).*/\1/p")
  allocations=$(printf '%s' "$2" | sed -n 's/.*"allocations":\([0-9]*\).*/\1/p')
  if [ -n "$allocations" ] && [ -n "$count" ] && [ "$allocations" -eq 0 ]; then met=yes; else met=NO; status=1; fi
  [ -z "${JSON:-}" ] || printf '%s\n' "$2" >>"$JSON"
  echo "| $1 | ${count:-?} | ${allocations:-not counted} | 0 | $met |"
}

echo "| path | events | allocations | goal | met |"
echo "|---|---|---|---|---|"
feed=$(LD_PRELOAD="$work/malloccount.so" "$programs/IngestBenchmark" "ws://127.0.0.1:$port/stream" 1000000 1 mix) || status=1
judge "feed: frame → scanner → firewall → ring" "$feed" messages
brain=$(TMPDIR="$work" LD_PRELOAD="$work/malloccount.so" "$programs/BrainBenchmark" "$plugin" 1000000) || status=1
judge "brain: ring → Brain → plugin → desk → journal" "$brain" events
exit $status
