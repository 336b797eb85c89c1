#!/bin/sh
# Ingest at saturation over one loopback connection: ours against Python's websockets and aiohttp, in one run.
#
#   ingest.sh INGEST_BENCHMARK_EXECUTABLE [PYTHON]      PYTHON has websockets, aiohttp, uvloop, orjson
set -eu
here=$(cd "$(dirname "$0")" && pwd)
ours=$1
python=${2:-python3}
work=$(mktemp -d)
port=${PORT:-19741}
count=${COUNT:-2000000}
slow=${SLOW_COUNT:-400000}
slow_port=$((port + 1))
cc -O2 -o "$work/wsload" "$here/wsload.c"
cc -O2 -shared -fPIC -o "$work/malloccount.so" "$here/malloccount.c" -ldl
"$work/wsload" "$port" mix "$count" &
server=$!
"$work/wsload" "$slow_port" mix "$slow" &
slow_server=$!
trap 'kill $server $slow_server; rm -rf "$work"' EXIT
sleep 1
for round in 1 2 3 4 5; do
  "$python" "$here/ws_client.py" websockets "$slow_port" "$slow" || true
  "$python" "$here/ws_client.py" aiohttp "$slow_port" "$slow" || true
  "$ours" "ws://127.0.0.1:$port/stream" "$count" 1 mix
done
echo "with the interposed allocator:"
LD_PRELOAD="$work/malloccount.so" "$ours" "ws://127.0.0.1:$port/stream" "$count" 1 mix
