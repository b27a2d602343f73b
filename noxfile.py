"""What there is to run: demo, tests, oracles, simulation, lint, types, docs, compiled, bench.

Each session has an environment of its own under ``.nox`` that is kept. What is installed in
it is remembered by a hash of the files that say so, so that a second run starts at once.
``python3 make.py SESSION`` does the same where nox is not installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import nox

ROOT: Final = Path(__file__).parent
PYPROJECT: Final = nox.project.load_toml(ROOT / "pyproject.toml")
CONNECTORS: Final = sorted(path.parent for path in ROOT.glob("connectors/*/pyproject.toml"))
#: What decides on the contents of an environment.
SOURCES: Final = [ROOT / "pyproject.toml", ROOT / "hatch_build.py", ROOT / "noxfile.py"] + [
    connector / "pyproject.toml" for connector in CONNECTORS
]
#: An editable installation stays interpreted, and its build needs no compiler.
INTERPRETED: Final = {"KNHK_MYPYC": "0"}

#: Tests over which the seeds of ``simulation`` are spread; each plays as many.
SIMULATIONS: Final = 6

nox.needs_version = ">=2025.10.16"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "types", "tests"]


def prepare(session: nox.Session, *groups: str, project: bool = True) -> None:
    """Install dependency groups, and the project with its connectors, unless that is done."""
    stamp = Path(session.virtualenv.location) / "prepared"
    digest = hashlib.sha256(repr((sys.version, groups, project)).encode())
    for path in SOURCES:
        digest.update(path.read_bytes())
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        session.log("the environment is up to date")
        return
    wanted = list(nox.project.dependency_groups(PYPROJECT, *groups))
    if project:
        for path in [ROOT, *CONNECTORS]:
            wanted += ["--editable", str(path)]
    session.install(*wanted, env=INTERPRETED)
    stamp.write_text(digest.hexdigest())


def workers(session: nox.Session) -> list[str]:
    """Spread the tests over the cores, unless the caller says how or asks for a debugger."""
    said = any(word.startswith(("-n", "--pdb", "-s")) for word in session.posargs)
    return [] if said else ["-n", "auto"]


@nox.session
def demo(session: nox.Session) -> None:
    """Run the order workflow of ``examples/order``."""
    prepare(session)
    session.run("python", "examples/order/run.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, interpreted; further arguments go to pytest."""
    prepare(session, "test")
    session.run("python", "-m", "pytest", *workers(session), *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Play the 43 patterns in all modes; further arguments go to `knhk conformance`."""
    prepare(session)
    session.run("knhk", "conformance", *session.posargs)


@nox.session
def oracles(session: nox.Session) -> None:
    """Hold OR-joins and the checker against plain oracles on thousands of random nets."""
    prepare(session, "oracles")
    nets = {"KNHK_ORJOIN_NETS": "2000", "KNHK_SOUNDNESS_NETS": "1000"}
    session.run(
        *(
            "python",
            "-m",
            "pytest",
            *workers(session),
            "-rP",
            "tests/orjoin",
            "tests/soundness",
            "tests/pictures",
        ),
        *session.posargs,
        env=nets,
    )


@nox.session
def simulation(session: nox.Session) -> None:
    """Play the workflows of ``tests/simulation`` with many seeds; the argument is how many."""
    prepare(session, "test")
    count, *more = session.posargs or ["20000"]
    session.run(
        *("python", "-m", "pytest", "-n", "auto", "--timeout", "0"),
        *("tests/simulation/test_simulation.py", "-k", "all_promises"),
        *more,
        env={"KNHK_SIMULATION_SEEDS": str(-(-int(count) // SIMULATIONS))},
    )


@nox.session
def faults(session: nox.Session) -> None:
    """Kill, stop and starve real engines for long; the argument is how often (300)."""
    prepare(session, "test")
    lives, *words = session.posargs or ["300"]
    session.run(
        *("python", "-m", "pytest", "-rP", "--timeout", "7200", *workers(session)),
        *(
            "tests/engine/test_faults.py",
            "tests/engine/test_company_faults.py",
            "tests/engine/test_outages.py",
            "tests/engine/test_kill.py",
        ),
        *words,
        env={"KNHK_TEST_FAULTS": lives},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, spelling, dependencies, import contracts and dead code."""
    prepare(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("typos")
    session.run("deptry", ".")
    session.run("lint-imports", "--no-logo", "--no-cache")
    session.run("vulture")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the product, the build, the connectors and the examples."""
    prepare(session, "types")
    session.run("mypy")
    for connector in CONNECTORS:
        session.run("mypy", str(connector / "src"))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings being errors, and run the examples in it."""
    prepare(session, "docs")
    session.run(
        *("sphinx-build", "-W", "-n", "--keep-going", "-j", "auto"),
        *("-b", "html", "docs", "docs/_build/html"),
    )
    session.run("python", "-m", "pytest", "docs", *session.posargs)


@nox.session
def compiled(session: nox.Session) -> None:
    """Build the compiled wheel and run the same tests on it, outside the checkout."""
    home = Path(session.create_tmp()).resolve()
    wheels = home / "wheels"
    shutil.rmtree(home, ignore_errors=True)
    wheels.mkdir(parents=True)
    session.run(
        *("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels)),
        *[str(path) for path in [ROOT, *CONNECTORS]],
        env={"KNHK_MYPYC": "1"},
    )
    built = [str(path) for path in sorted(wheels.glob("*.whl"))]
    session.install(*nox.project.dependency_groups(PYPROJECT, "test"), *built)
    session.install("--force-reinstall", "--no-deps", *built)
    copy_tests(home / "outside")
    session.chdir(home / "outside")
    session.run(
        *("python", "-P", "-m", "pytest", *workers(session), *session.posargs),
        env={"KNHK_EXPECT_COMPILED": "1"},
    )


def copy_tests(outside: Path) -> None:
    """Copy the tests, and what they read, but no module that is to come from the wheel."""
    ignored = shutil.ignore_patterns(
        *("__pycache__", ".*cache", "src", "packaging", "*.db*", "node_modules")
    )
    for name in ["tests", "connectors", "examples", "editors"]:
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, outside / name, ignore=ignored)
    for name in ["pyproject.toml", "README.md"]:
        shutil.copy2(ROOT / name, outside / name)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks on the compiled wheel; further arguments go to them."""
    prepare(session, "bench", project=False)
    session.install(str(ROOT), *map(str, CONNECTORS), env={"KNHK_MYPYC": "1"})
    session.chdir(ROOT / "benchmarks")
    os.environ.pop("PYTHONPATH", None)
    session.run("python", "-P", "run.py", *session.posargs)
