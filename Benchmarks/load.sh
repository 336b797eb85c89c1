#!/bin/sh
# The whole pipeline under load: simulator → socket → decoder → firewall → ring → Brain with a plugin, in real processes.
#
#   Benchmarks/load.sh [AEGIS]          AEGIS defaults to build/aegis; plugins lie in "plugins" beside it
#
# SYMBOLS=300 RATE=100000 SECONDS_MEASURED=20 WARMUP=8 say what is played. Prints a Markdown table and, with
# JSON=FILE, the same as one JSON line; exits 1 when an event was lost, the rate was not reached or memory is above
# its goal.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
aegis=${1:-$here/../build/aegis}
[ -x "$aegis" ] || { echo "load.sh: $aegis is not there: run make build first, or give the program's path" >&2; exit 2; }
plugins=${AEGIS_PLUGINS_DIRECTORY:-$(dirname "$aegis")/plugins}
ls "$plugins"/*trend_follower* >/dev/null 2>&1 || { echo "load.sh: no trend_follower in $plugins: run make build, or set AEGIS_PLUGINS_DIRECTORY" >&2; exit 2; }
exec env AEGIS_PLUGINS_DIRECTORY="$plugins" python3 "$here/load_probe.py" "$aegis"
