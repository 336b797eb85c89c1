#!/usr/bin/env python3
"""Compares the engine's summary, its store and its own listings to the last decimal; sums are made here, in decimals.

books.py --summary FILE --db FILE --mode paper [--trades FILE] [--running FILE] [--trades-min N] [--start-balance D]
"""
import argparse, collections, json, re, sqlite3, sys
from decimal import Decimal as D

a = argparse.ArgumentParser()
for name in ("summary", "db", "mode"):
    a.add_argument("--" + name, required=True)
a.add_argument("--trades")
a.add_argument("--running")
a.add_argument("--trades-min", type=int, default=10)
a.add_argument("--start-balance", type=D, default=D(10000))
o = a.parse_args()
failures = []


def same(what, left, right):
    ok = left == right
    print(f"  {'same  ' if ok else 'DIFFER'} {what}: {left}" + ("" if ok else f" and {right}"))
    if not ok:
        failures.append(what)


db = sqlite3.connect(f"file:{o.db}?mode=ro", uri=True)
venues = {r[0] for r in db.execute("SELECT DISTINCT venue FROM fills WHERE mode=?", (o.mode,))}
same("venues in the store", len(venues), 1)
rows = lambda sql: db.execute(sql, (o.mode,)).fetchall()
text = open(o.summary).read()
said = {m[1].strip(): m[2].split()[0] for m in re.finditer(r"^(round trips|fees|PnL|equity|orders)\s+(.*)$", text, re.M)}

fills = rows("SELECT symbol, trade_id, side, price, quantity, fee, realized FROM fills WHERE mode=?")
same("fills, each with its own trade id", len(fills), len({f[:2] for f in fills}))
quantity = collections.defaultdict(D)
for symbol, _, side, _, amount, _, _ in fills:
    quantity[symbol] += D(amount) if side.upper() == "BUY" else -D(amount)
open_symbols = sorted(s for s, q in quantity.items() if q)
trades = rows("SELECT profit, fees, net FROM trades WHERE mode=?")
same("round trips: summary and store", int(said["round trips"]), len(trades))
same("fees: summary and fills", D(said["fees"]), sum((D(f[5]) for f in fills), D(0)))
wallet = o.start_balance + sum((D(f[6]) - D(f[5]) for f in fills), D(0))
last = db.execute(
    "SELECT wallet, equity FROM equity WHERE mode=? ORDER BY run DESC, journal_index DESC LIMIT 1", (o.mode,)).fetchone()
if not open_symbols:
    same("wallet: last stored and from fills", D(last[0]), wallet)
    same("equity: summary and from fills", D(said["equity"]), wallet)
    same("PnL: summary and store", D(said["PnL"]), sum((D(t[2]) for t in trades), D(0)))
else:
    print(f"  open at the end: {', '.join(open_symbols)}")
    held = {r[0]: (D(r[1]), D(r[2])) for r in rows(
        "SELECT symbol, quantity, cost FROM positions p WHERE mode=? AND journal_index = (SELECT max(journal_index) FROM "
        "positions q WHERE q.venue=p.venue AND q.mode=p.mode AND q.run=p.run AND q.symbol=p.symbol) ORDER BY run")}
    for symbol in sorted(quantity):
        same(f"position {symbol}: store and fills", held.get(symbol, (D(0),))[0], quantity[symbol])
same("equity less PnL, in the summary: the opening balance", D(said["equity"]) - D(said["PnL"]), o.start_balance)
closed = sum((D(t[2]) for t in trades), D(0))
paid = sum((D(f[6]) - D(f[5]) for f in fills), D(0))
if not open_symbols:
    same("net of round trips and of fills", closed, paid)
if o.trades:
    told = json.load(open(o.trades))
    listed = told["trades"]
    same("open positions: aegis trades and fills", {p["symbol"]: D(p["quantity"]) for p in told["positions"]},
         {s: quantity[s] for s in open_symbols})
    same("aegis trades and the store", len(listed), min(len(trades), 1000))
    same("net in aegis trades and the store", sum((D(t["net"]) for t in listed), D(0)), closed)
    if o.running:
        running = json.load(open(o.running))["trades"]
        same("what aegis trades said while running is still so", all(t in listed for t in running), True)
if len(trades) < o.trades_min:
    failures.append(f"only {len(trades)} round trips, {o.trades_min} wanted")
if failures:
    print("FAILED: " + "; ".join(failures))
    sys.exit(1)
