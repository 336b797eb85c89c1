#!/usr/bin/env python3
"""Starts a simulator and an engine, watches their counters and memory, and says whether the load goals hold.

usage: load_probe.py AEGIS        (load.sh calls it; the environment says how much is played)
Counters are read from the engine's own counter page, memory from /proc/PID/smaps_rollup, processor time from
/proc/PID/stat.
"""
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

AEGIS = sys.argv[1]
SYMBOLS = int(os.environ.get("SYMBOLS", "300"))
RATE = int(os.environ.get("RATE", "100000"))
SECONDS = float(os.environ.get("SECONDS_MEASURED", "20"))
WARMUP = float(os.environ.get("WARMUP", "8"))
MEMORY_MIB_MAX = 300
RATE_SHORTFALL_MAX = 0.02  # a generator that sleeps between batches may end a moment early

# The counter page: 4096 bytes of header, then one lane per process of 66 words in whole lines of 128 bytes.
LANE_BYTES = ((64 + 2) * 8 + 127) // 128 * 128
FEED = {"frames": 0, "events": 2, "malformed": 4, "rejected": 5, "quarantined": 14, "fallbacks": 15, "gaps": 16,
        "missingTrades": 17, "disconnects": 20, "closedForCause": 23, "connectionsOpen": 24, "instrumentsLive": 25}
BRAIN = {"events": 0, "signals": 2, "commands": 3, "lost": 5, "overruns": 6, "lagMax": 7}
RECORDER = {"records": 0, "lost": 1}


def lanes(path):
    with open(path, "rb") as file:
        page = file.read()
    result = {}
    for number, (name, slots) in enumerate((("feed", FEED), ("brain", BRAIN), ("recorder", RECORDER))):
        words = struct.unpack_from("<66Q", page, 4096 + number * LANE_BYTES)
        result[name] = {key: words[2 + slot] for key, slot in slots.items()}
    return result


def anonymous_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Anonymous:"):
                return int(line.split()[1]) / 1024
    return 0.0


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        listed = [int(word) for word in file.read().split()]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            listed += [int(word) for word in file.read().split()]
    found = {}
    for child in set(listed):
        with open(f"/proc/{child}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if len(words) > 1:
            found[words[1].decode()] = child
    return found


def region_folder(pid):
    with open(f"/proc/{pid}/maps") as file:
        for line in file:
            if line.rstrip().endswith("/ring"):
                return os.path.dirname(line.split(maxsplit=5)[5].rstrip())
    return None


def wait_for(what, seconds, test):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = test()
        if value:
            return value
        time.sleep(0.1)
    raise SystemExit(f"load: {what} did not come within {seconds:.0f} s")


def start(arguments, **options):
    return subprocess.Popen([AEGIS] + arguments, stdout=subprocess.PIPE, text=True, **options)


def measure(work, processes):
    simulator = start(["simulate", "--generate", str(SYMBOLS), "--rate", str(RATE)])
    processes.append(simulator)
    ready = json.loads(simulator.stdout.readline())
    log = open(os.path.join(work, "engine.log"), "w")
    engine = start(
        ["run", "--no-table", "--venue", ready["rest"], "--data-dir", os.path.join(work, "data"),
         "--set", f"venueStreams={ready['streams']}", "--set", "api.port=0", "--set", "warmup.candles=50"],
        stderr=log)
    processes.append(engine)
    threading.Thread(target=engine.stdout.read, daemon=True).start()
    folder = wait_for("the ring", 60, lambda: engine.poll() is None and region_folder(engine.pid))
    def feed_and_brain():
        found = children(engine.pid)
        return {name: found[name] for name in ("feed", "brain")} if {"feed", "brain"} <= found.keys() else None

    names = wait_for("feed and brain", 60, feed_and_brain)
    page = os.path.join(folder, "counters")
    wait_for("a live market", 90, lambda: lanes(page)["feed"]["instrumentsLive"] >= SYMBOLS)
    time.sleep(WARMUP)
    pids = {"orchestrator": engine.pid, "feed": names["feed"], "brain": names["brain"], "simulator": simulator.pid}
    # The counters are copied about once a second: take both ends right after a change.
    begin, begun = edge(page)
    cpu_begin = {name: processor_seconds(pid) for name, pid in pids.items()}
    memory = {name: 0.0 for name in pids}
    while time.monotonic() < begun + SECONDS:
        for name, pid in pids.items():
            memory[name] = max(memory[name], anonymous_mib(pid))
        time.sleep(0.5)
    end, ended = edge(page)
    seconds = ended - begun
    cpu = {name: (processor_seconds(pid) - cpu_begin[name]) / seconds for name, pid in pids.items()}
    if {name: pid for name, pid in children(engine.pid).items() if name in names} != names:
        raise SystemExit("load: a process of the engine was started anew while it was measured")
    ring_mib = os.stat(os.path.join(folder, "ring")).st_blocks * 512 / (1 << 20)
    return begin, end, seconds, cpu, memory, ring_mib


def edge(page):
    first = lanes(page)["feed"]["frames"]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        now = lanes(page)
        if now["feed"]["frames"] != first:
            return now, time.monotonic()
        time.sleep(0.002)
    return lanes(page), time.monotonic()


def main():
    work = tempfile.mkdtemp(prefix="aegis-load-")
    processes = []
    try:
        begin, end, seconds, cpu, memory, ring_mib = measure(work, processes)
    except BaseException as error:
        path = os.path.join(work, "engine.log")
        if os.path.exists(path):
            sys.stderr.write(open(path).read()[-2000:])
        if isinstance(error, (FileNotFoundError, ProcessLookupError)):
            raise SystemExit(f"load: a process of the engine ended while it was measured ({error})") from None
        raise
    finally:
        for process in reversed(processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
        if os.environ.get("KEEP"):
            print(f"kept {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    rate = (end["feed"]["frames"] - begin["feed"]["frames"]) / seconds
    taken = (end["brain"]["events"] - begin["brain"]["events"]) / seconds
    engine_mib = memory["orchestrator"] + memory["feed"] + memory["brain"]
    lost = end["brain"]["lost"] + end["recorder"]["lost"]
    rows = [
        ("messages into the Feed, /s", f"{rate:,.0f}", f">= {RATE * (1 - RATE_SHORTFALL_MAX):,.0f}",
         rate >= RATE * (1 - RATE_SHORTFALL_MAX)),
        ("events through the Brain, /s", f"{taken:,.0f}", "", None),
        ("events lost (Brain, recorder)", f"{end['brain']['lost']}, {end['recorder']['lost']}", "0", lost == 0),
        ("furthest the Brain was behind, events", f"{end['brain']['lagMax']:,}", "", None),
        ("connections lost", f"{end['feed']['disconnects']}", "0", end["feed"]["disconnects"] == 0),
        ("malformed, rejected, slow path", f"{end['feed']['malformed']}, {end['feed']['rejected']}, {end['feed']['fallbacks']}", "", None),
        ("trades missing", f"{end['feed']['missingTrades']}", "0", end["feed"]["missingTrades"] == 0),
        ("signals, orders", f"{end['brain']['signals']}, {end['brain']['commands']}", "", None),
        ("anonymous memory, MiB: orchestrator + feed + brain",
         f"{memory['orchestrator']:.0f} + {memory['feed']:.0f} + {memory['brain']:.0f}", "", None),
        ("engine + ring, MiB", f"{engine_mib + ring_mib:.0f}", f"< {MEMORY_MIB_MAX}", engine_mib + ring_mib < MEMORY_MIB_MAX),
        ("simulator, MiB", f"{memory['simulator']:.0f}", "", None),
        ("all processes + ring, MiB", f"{engine_mib + ring_mib + memory['simulator']:.0f}", "", None),
        ("processor time: " + ", ".join(cpu), ", ".join(f"{share:.0%}" for share in cpu.values()), "", None),
    ]
    print(f"| {SYMBOLS} symbols at {RATE:,}/s for {seconds:.0f} s | value | goal | met |\n|---|---|---|---|")
    for name, value, goal, met in rows:
        print(f"| {name} | {value} | {goal} | {'' if met is None else 'yes' if met else 'NO'} |")
    if "JSON" in os.environ:
        with open(os.environ["JSON"], "w") as file:
            json.dump({"rate": rate, "asked": RATE, "lost": lost, "engineAndRingMiB": engine_mib + ring_mib, "simulatorMiB": memory["simulator"],
                       "missed": [name for name, _, _, met in rows if met is False]}, file)
    return 1 if any(met is False for *_, met in rows) else 0


sys.exit(main())
