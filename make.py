"""Run a session of noxfile.py on a machine that has only git and Python 3.11 or later.

    python3 make.py demo      the order workflow, from its .knhk file to its result
    python3 make.py test      the tests
    python3 make.py NAME...   any other session: lint, types, docs, compiled, bench

The first run makes ``.venv`` and installs nox there; nox makes an environment for each
session under ``.nox``. Nothing is installed elsewhere, and no C compiler is needed.
This file must parse on every Python 3, so that it can say what is missing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):
    newer = [name for name in ("python3.%d" % n for n in range(30, 10, -1)) if shutil.which(name)]
    sys.exit(
        "make.py: KNHK needs Python 3.11 or later, and this is %d.%d (%s).\n%s"
        % (
            *sys.version_info[:2],
            sys.executable,
            "Run it with a newer one: %s %s" % (newer[0], " ".join(sys.argv))
            if newer
            else "Install a newer one from https://www.python.org/downloads/ and use that.",
        )
    )

ROOT = Path(__file__).resolve().parent
HOME = ROOT / ".venv"
STAMP = HOME / "made"
PYTHON = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
ALIASES = {"test": "tests"}


def main(sessions: list[str]) -> int:
    """Run the sessions, in order, each in its own environment."""
    if not sessions or sessions[0].startswith("-"):
        print(__doc__)
        return 0 if sessions in (["-h"], ["--help"]) else 2
    make_environment()
    names = [ALIASES.get(name, name) for name in sessions]
    command = [PYTHON, "-m", "nox", "--noxfile", ROOT / "noxfile.py", "--session", *names]
    try:
        return subprocess.call([str(word) for word in command], cwd=ROOT)
    except KeyboardInterrupt:
        return 130


def make_environment() -> None:
    """Make ``.venv`` with nox in it, unless it is there already and up to date."""
    wanted = requirements()
    key = hashlib.sha256(repr((sys.version, ROOT, wanted)).encode()).hexdigest()
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == key:
        return
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        sys.exit(
            f"make.py: this Python ({sys.executable}) cannot make virtual environments: {error}.\n"
            "On Debian and Ubuntu: apt install python3-venv"
        )
    print(f"make.py: making .venv with {', '.join(wanted)}", flush=True)
    run([sys.executable, "-m", "venv", "--clear", HOME], "the virtual environment was not made")
    run(
        [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
        "nox was not installed; is there a network connection? (behind a proxy, set HTTPS_PROXY)",
    )
    STAMP.write_text(key)


def requirements() -> list[str]:
    """Read the dependency group ``nox`` of pyproject.toml."""
    import tomllib

    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [str(requirement) for requirement in pyproject["dependency-groups"]["nox"]]


def run(command: list[object], otherwise: str) -> None:
    """Run a command; leave with a sentence when it fails."""
    if subprocess.call([str(word) for word in command]):
        sys.exit(f"make.py: {otherwise}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
