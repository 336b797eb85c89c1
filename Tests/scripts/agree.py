#!/usr/bin/env python3
"""Compares what aegis stored of a live session with what the exchange says, to the last decimal.

Shares no code with aegis: signs its own requests, reads SQLite itself, and does its sums in decimals.

agree.py --rest URL --key K --secret S --db FILE --venue V --mode live --start-balance 10000 [--trades-min 10]
Prints one line per comparison; exits 1 if anything differs.
"""
import argparse, collections, hashlib, hmac, json, sqlite3, sys, time, urllib.parse, urllib.request
from decimal import Decimal as D


def signed(rest, key, secret, path, **parameters):
    now = json.load(urllib.request.urlopen(rest + "/fapi/v1/time", timeout=10))["serverTime"]
    query = urllib.parse.urlencode({**parameters, "timestamp": now, "recvWindow": 5000})
    query += "&signature=" + hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"{rest}{path}?{query}", headers={"X-MBX-APIKEY": key})
    return json.load(urllib.request.urlopen(request, timeout=10))


def main():
    a = argparse.ArgumentParser()
    for name in ("rest", "key", "secret", "db", "venue", "mode"):
        a.add_argument("--" + name, required=True)
    a.add_argument("--start-balance", type=D, default=D(10000))
    a.add_argument("--trades-min", type=int, default=10)
    o = a.parse_args()
    call = lambda path, **p: signed(o.rest, o.key, o.secret, path, **p)
    db = sqlite3.connect(f"file:{o.db}?mode=ro", uri=True)
    rows = lambda sql: db.execute(sql, (o.venue, o.mode)).fetchall()
    failures = []

    def same(what, ours, theirs):
        ok = ours == theirs
        print(f"{'same  ' if ok else 'DIFFER'} {what}: aegis {ours}, exchange {theirs}")
        if not ok:
            failures.append(what)

    fills = rows("SELECT symbol, trade_id, side, price, quantity, fee, realized FROM fills WHERE venue=? AND mode=?")
    ours = {(f[0], f[1]): (f[2].upper(), D(f[3]), D(f[4]), D(f[5]), D(f[6])) for f in fills}
    symbols = sorted({f[0] for f in fills})
    theirs = {}
    for symbol in symbols:
        last = 0
        while True:
            page = call("/fapi/v1/userTrades", symbol=symbol, fromId=last, limit=1000)
            for t in page:
                theirs[(symbol, t["id"])] = (t["side"], D(t["price"]), D(t["qty"]), D(t["commission"]), D(t["realizedPnl"]))
            if len(page) < 1000:
                break
            last = page[-1]["id"] + 1
    same("number of fills", len(ours), len(theirs))
    same("fills, field by field", sum(ours.get(k) == v for k, v in theirs.items()), len(theirs))

    signed_quantity = collections.defaultdict(D)
    for (symbol, _), (side, _, quantity, _, _) in ours.items():
        signed_quantity[symbol] += quantity if side == "BUY" else -quantity
    risk = {p["symbol"]: D(p["positionAmt"]) for p in call("/fapi/v3/positionRisk")}
    for symbol in sorted(set(symbols) | set(risk)):
        same(f"position {symbol}", signed_quantity[symbol], risk.get(symbol, D(0)))
    same("open orders", [], call("/fapi/v1/openOrders"))

    wallet = next(D(b["balance"]) for b in call("/fapi/v3/balance") if b["asset"] == "USDT")
    booked = o.start_balance + sum((v[4] - v[3] for v in ours.values()), D(0))
    same("wallet from fills", booked, wallet)  # the session lay between two funding times
    last = rows("SELECT wallet, equity FROM equity WHERE venue=? AND mode=? ORDER BY run DESC, journal_index DESC LIMIT 1")
    same("wallet as aegis last stored it", D(last[0][0]) if last else None, wallet)
    if not any(risk.values()):
        same("equity as aegis last stored it", D(last[0][1]) if last else None, wallet)

    trades = rows("SELECT profit, fees FROM trades WHERE venue=? AND mode=?")
    if not any(risk.values()):
        same("profit of all round trips", sum((D(t[0]) for t in trades), D(0)), sum((v[4] for v in theirs.values()), D(0)))
        same("fees of all round trips", sum((D(t[1]) for t in trades), D(0)), sum((v[3] for v in theirs.values()), D(0)))
    print(f"round trips: {len(trades)}")
    if len(trades) < o.trades_min:
        failures.append(f"only {len(trades)} round trips, {o.trades_min} wanted")
    if failures:
        print("FAILED: " + "; ".join(failures))
        return 1
    print("everything agrees")
    return 0


sys.exit(main())
