#!/usr/bin/env python3
"""A Python market feed at its best: uvloop, websockets or aiohttp, orjson, a record packed into memory per message.

usage: ws_client.py websockets|aiohttp PORT COUNT
Prints one JSON line: client, messages, seconds, cpuSeconds, measured from the first message on.
"""
import asyncio
import json
import mmap
import struct
import sys
import time

import orjson
import uvloop

client, port, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
url = f"ws://127.0.0.1:{port}/stream"
slots = 65536
ring = mmap.mmap(-1, 4096 + slots * 64)
pack = struct.Struct("<qqddddqi").pack_into
cursor = struct.Struct("<Q").pack_into
symbols = {}
messages = 0
started = cpu_started = ended = cpu_ended = 0.0


def take(raw):
    global messages, started, cpu_started, ended, cpu_ended
    if messages == 0:
        started, cpu_started = time.perf_counter(), time.process_time()
    data = orjson.loads(raw)["data"]
    offset = 4096 + (messages & (slots - 1)) * 64
    symbol = data["s"]
    index = symbols.get(symbol)
    if index is None:
        index = symbols[symbol] = len(symbols)
    if data["e"] == "bookTicker":
        pack(ring, offset, data["E"], data["u"], float(data["b"]), float(data["B"]), float(data["a"]),
             float(data["A"]), data["T"], index)
    else:
        pack(ring, offset, data["E"], data["a"], float(data["p"]), float(data["q"]), 0.0, 0.0, data["T"], index)
    messages += 1
    cursor(ring, 0, messages)
    if messages == wanted:  # closing takes its own time, and is not ingest
        ended, cpu_ended = time.perf_counter(), time.process_time()


async def with_websockets():
    import websockets
    from websockets.asyncio.client import connect

    async with connect(url, compression=None, max_size=None) as socket:
        try:
            async for message in socket:
                take(message)
                if messages >= wanted:
                    break
        except websockets.ConnectionClosed:
            pass


async def with_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, compress=0, max_msg_size=0) as socket:
            async for message in socket:
                if message.type != aiohttp.WSMsgType.TEXT:
                    break
                take(message.data)
                if messages >= wanted:
                    break


uvloop.run({"websockets": with_websockets, "aiohttp": with_aiohttp}[client]())
if messages < wanted:
    sys.exit(f"only {messages} of {wanted} messages came")
seconds, cpu = ended - started, cpu_ended - cpu_started
print(json.dumps({"client": client, "messages": messages, "seconds": round(seconds, 4), "cpuSeconds": round(cpu, 4)}))
