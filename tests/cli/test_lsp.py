"""`knhk lsp`, where the libraries that it needs are not installed."""

from __future__ import annotations

import subprocess
import sys


def test_without_its_libraries_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['pygls'] = None; from knhk.cli.main import main; main(['lsp'])"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert (
        "Error: the language server needs further packages: pip install 'knhk[lsp]'\n"
        == done.stderr
    )
    assert (1, "") == (done.returncode, done.stdout)
