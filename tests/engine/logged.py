"""Handlers that note in a file what they have done, for processes that are killed."""

from __future__ import annotations

HANDLERS = """
import os
import time
from pathlib import Path

import anyio
from knhk.engine import current_call

LOG = Path(__file__).with_name("done.log")

def note():
    line = current_call().idempotency_key + "\\n"
    file = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, line.encode())
    os.fsync(file)
    os.close(file)

async def fetch(n: int) -> int:
    await anyio.sleep(0.002)
    note()
    return n + 1

def crunch(n: int) -> int:
    time.sleep(0.002)
    note()
    return n * n

async def shaky(n: int) -> int:
    note()
    if current_call().attempt == 1:
        raise ConnectionError("the first attempt never works")
    return n
"""
