#!/usr/bin/env python3
"""No order twice: client ids are unique in the store and at the exchange, each side has the same ones, and the fills of
each order add up to what it was for.

orders.py --db FILE --mode MODE [--rest URL --key K --secret S]
"""
import argparse, collections, hashlib, hmac, json, sqlite3, sys, urllib.parse, urllib.request
from decimal import Decimal as D

a = argparse.ArgumentParser()
for name in ("db", "mode"):
    a.add_argument("--" + name, required=True)
for name in ("rest", "key", "secret"):
    a.add_argument("--" + name)
o = a.parse_args()
failures = []


def same(what, left, right):
    ok = left == right
    print(f"  {'same  ' if ok else 'DIFFER'} {what}: {left}" + ("" if ok else f" and {right}"))
    if not ok:
        failures.append(what)


def call(path, **parameters):
    now = json.load(urllib.request.urlopen(o.rest + "/fapi/v1/time", timeout=10))["serverTime"]
    query = urllib.parse.urlencode({**parameters, "timestamp": now, "recvWindow": 5000})
    query += "&signature=" + hmac.new(o.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"{o.rest}{path}?{query}", headers={"X-MBX-APIKEY": o.key})
    return json.load(urllib.request.urlopen(request, timeout=10))


db = sqlite3.connect(f"file:{o.db}?mode=ro", uri=True)
rows = lambda sql: db.execute(sql, (o.mode,)).fetchall()
orders = rows("SELECT client_id, symbol, status, quantity, filled_quantity FROM orders WHERE mode=?")
filled = collections.defaultdict(D)
for client, quantity in rows("SELECT client_id, quantity FROM fills WHERE mode=?"):
    filled[client] += D(quantity)
same("orders in the store, each with its own client id", len({r[0] for r in orders}), len(orders))
same("orders whose fills are what they say was filled", sum(filled[r[0]] == D(r[4]) for r in orders), len(orders))
same("orders filled beyond their quantity", sum(D(r[4]) > D(r[3]) for r in orders), 0)
fills = rows("SELECT symbol, trade_id FROM fills WHERE mode=?")
same("fills, each with its own trade id", len(set(fills)), len(fills))
if o.rest:
    theirs = []
    for symbol in sorted({r[1] for r in orders}):
        theirs += call("/fapi/v1/allOrders", symbol=symbol, limit=1000)
    ids = [t["clientOrderId"] for t in theirs]
    same("orders at the exchange, each with its own client id", len(set(ids)), len(ids))
    known = {r[0]: D(r[4]) for r in orders}
    same("orders at the exchange that the store does not know", sorted(set(ids) - set(known)), [])
    executed = {t["clientOrderId"]: D(t["executedQty"]) for t in theirs}
    same("orders filled here as at the exchange", sum(known.get(i) == q for i, q in executed.items()), len(executed))
if failures:
    print("FAILED: " + "; ".join(failures))
    sys.exit(1)
