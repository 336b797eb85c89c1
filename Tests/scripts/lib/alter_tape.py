#!/usr/bin/env python3
"""Changes one trade's price on a market tape and repairs the record's checksum, so that only a replay can notice.

alter_tape.py FILE [--ticks N | --percent P] [--at FRACTION]: the first trade behind that fraction of the records; says what it did.
"""
import argparse, struct, sys

from tape import stamp

HEADER, RECORD, STAMP, TRADE = 4096, 56, 8, 2
a = argparse.ArgumentParser()
a.add_argument("file")
a.add_argument("--ticks", type=int, default=1)
a.add_argument("--percent", type=int, default=0, help="instead of ticks")
a.add_argument("--at", type=float, default=0.5)
o = a.parse_args()
with open(o.file, "r+b") as f:
    f.seek(1024)
    count = struct.unpack("<Q", f.read(8))[0] & 0x7FFFFFFF
    for index in range(int(count * o.at), count):
        place = HEADER + index * (RECORD + STAMP)
        f.seek(place)
        record, found = f.read(RECORD), struct.unpack("<Q", f.read(STAMP))[0]
        if found != stamp(record, index):
            sys.exit(f"{o.file}: record {index} has another checksum than this script computes")
        if record[0] != TRADE:
            continue
        price = struct.unpack_from("<q", record, 16)[0]
        changed = price + (price * o.percent // 100 if o.percent else o.ticks)
        record = record[:16] + struct.pack("<q", changed) + record[24:]
        f.seek(place)
        f.write(record + struct.pack("<Q", stamp(record, index)))
        print(f"record {index} of {count}: price {price} -> {changed} ticks")
        sys.exit(0)
sys.exit(f"{o.file}: no trade behind record {int(count * o.at)}")
