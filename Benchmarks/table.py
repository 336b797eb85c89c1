#!/usr/bin/env python3
"""Turns the JSON lines of one benchmark run into one Markdown table and judges it by thresholds.json.

usage: table.py THRESHOLDS RESULTS PART…
Exits 1 when a row of these parts is missed by more than its tolerance, or was not measured and is not optional.
"""
import json
import statistics
import sys


class Results:
    """Ratio by row name, with what was measured and what it was measured against."""

    def __init__(self):
        self.rows = {}
        self.values = {}
        self.rates = {}

    def put(self, row, ratio, value="", peer=""):
        self.rows[row] = (ratio, value, peer)

    def take(self, line):
        if "ratio" in line:
            self.values["ratio " + line["ratio"]] = line
        elif line.get("benchmark") == "decode":
            self.rates.setdefault("decode " + line["row"], []).append(line["nanosecondsPerMessage"])
        elif "row" in line:
            self.values["row " + line["row"]] = line
        elif line.get("benchmark") == "brain":
            if "allocations" in line:
                self.put("brain allocations", line["allocations"], f"{line['allocations']} in {line['events']:,} events")
        elif "messagesPerSecond" in line:
            if "allocations" in line:
                self.put("feed allocations", line["allocations"], f"{line['allocations']} in {line['messages']:,} messages")
            else:
                self.rates.setdefault("ingest ours", []).append(line["messagesPerSecond"])
        elif "client" in line:
            self.rates.setdefault("ingest " + line["client"], []).append(line["messages"] / line["seconds"])
        elif "lost" in line and "rate" in line:
            self.put("load: events lost", line["lost"], f"{line['lost']}")
            self.put("load: rate / asked", line["rate"] / line["asked"], f"{line['rate']:,.0f}/s", f"{line['asked']:,}/s")
            total = line["engineAndRingMiB"] + line["simulatorMiB"]
            self.put("load: memory / 300 MiB", total / 300,
                     f"{total:.0f} MiB (simulator {line['simulatorMiB']:.0f} of it)", "300 MiB")
        elif line.get("workload") == "W1":
            same = line["ours"]["trades"] == line["oracle"]["trades"] and abs(
                line["ours"]["final_equity"] - line["oracle"]["final_equity"]) < 0.005
            rate = line["ours"]["events_per_s"]
            self.put("W1 equals the oracle", int(same), f"{line['ours']['trades']} trades, {line['ours']['final_equity']:.2f}",
                     f"{line['oracle']['trades']} trades, {line['oracle']['final_equity']:.2f}")
            self.put("W1 / 2,000,000 bars/s", rate / 2e6, f"{rate:,.0f}/s", "2,000,000/s")

    def finish(self):
        for name, line in self.values.items():
            if not name.startswith("ratio "):
                continue
            own, other = name.removeprefix("ratio ").split(" / ")
            texts = []
            for side in (own, other):
                row = self.values.get("row " + side)
                unit = "" if row is None else row["unit"]
                texts.append("" if row is None else f"{row['median'] / 1e6:,.1f} M/s" if "/s" in unit else f"{row['median']:,} {unit}")
            self.put(line["ratio"], line["median"], *texts)
        self.pair("decode", "JSONDecoder", "scanner+firewall", "ns")
        self.pair("decode", "scanner+firewall", "scanner", "ns")
        for peer in ("websockets", "aiohttp"):
            self.pair("ingest", "ours", peer, "/s")

    def pair(self, part, own, other, unit):
        a, b = self.rates.get(f"{part} {own}"), self.rates.get(f"{part} {other}")
        if not a or not b:
            return
        # Ratios within a round: a slow moment of the machine weighs on both.
        ratio = statistics.median(x / y for x, y in zip(a, b))
        first, second = f"{statistics.median(a):,.0f} {unit}", f"{statistics.median(b):,.0f} {unit}"
        if own == "JSONDecoder":  # read the row as ours against the peer
            first, second = second, first
        self.put(f"{own} / {other}", ratio, first, second)


def main():
    with open(sys.argv[1]) as file:
        thresholds = json.load(file)
    parts = sys.argv[3:]
    results = Results()
    with open(sys.argv[2]) as file:
        for line in file:
            if line.startswith("{"):
                results.take(json.loads(line))
    results.finish()
    print("| part | row | value | peer | ratio | goal | met |\n|---|---|---|---|---|---|---|")
    missed = []
    for row in thresholds["rows"]:
        if row["part"] not in parts:
            continue
        sign = "≥" if row["better"] == "higher" else "≤"
        title = f"{row['title']} ({row['row']})" if " / " in row["row"] else row["title"]
        if row["row"] not in results.rows:
            if not row.get("optional"):
                missed.append(f"{row['row']} was not measured")
            print(f"| {row['part']} | {title} | not measured | | | {sign} {row['goal']} | {'' if row.get('optional') else 'NO'} |")
            continue
        ratio, value, peer = results.rows[row["row"]]
        tolerance = thresholds["tolerances"][row["tolerance"]]
        higher = row["better"] == "higher"
        met = ratio >= row["goal"] if higher else ratio <= row["goal"]
        held = met or (ratio >= row["goal"] * (1 - tolerance) if higher else ratio <= row["goal"] * (1 + tolerance))
        if not held:
            missed.append(f"{row['row']} is {ratio:.3g}, the goal is {sign} {row['goal']} (tolerance {row['tolerance']}: {tolerance:.0%})")
        verdict = "yes" if met else f"within {row['tolerance']} tolerance" if held else "NO"
        print(f"| {row['part']} | {title} | {value} | {peer} | {ratio:.3g} | {sign} {row['goal']} | {verdict} |")
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


sys.exit(main())
