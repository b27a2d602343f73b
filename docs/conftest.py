"""Runs the examples of the documentation, so that what it shows is so.

Every page gets a directory of its own, which holds the files that its examples write and in
which its commands run. The blocks of a page are examples in the order in which they stand:

- `knhk`: must check without a diagnostic;
- `python`: runs, and its assertions hold; all blocks of a page share their names;
- `console`: lines with `$` run in a shell, what is shown beneath them is what they print
  (stdout and stderr together; a line `...` stands for any lines, `...` in a line for any text;
  times of day and made-up names of cases are not compared);
- any other language counts only when it has a file name.

A comment line before a block, `% example: clause | clause`, says more:

- `file NAME`: the block is a file of that name, relative to the page's directory;
- `flow a, b`: the lines of a `flow` block over tasks a and b;
- `tasks`: the statements of a workflow whose tasks run one after the other;
- `body`: the statements of a workflow, with its `flow`;
- `given x: int`: the workflow's parameters, for the three above;
- `with LINE`: a line before the workflow, for the three above;
- `gives KN401 KN402`: the diagnostics that the block must give, no more, no less;
- `exit 2`: the exit status that the last command of a block must have;
- `not checked`: the block is written to its file, and not checked;
- `not run`: the block is for reading only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.integration.pytest import SybilItem
from sybil.integration.pytest import pytest_integration as integrate  # pytest_... is a hook

from knhk.plugins import environment
from knhk_dsl import Sources, check_sources

HERE = Path(__file__).parent
COMMAND_TIMEOUT_S = 60
#: What a run prints that the next one does not: moments, times, made-up names, trailing space.
CHANCE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<moment>"),
    (re.compile(r"\d\d:\d\d:\d\d\.\d{3}"), "<time>"),
    (re.compile(r"-[0-9a-f]{12,25}\b"), "-<id>"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)
#: "Something is never used": a page may show a declaration before there is a use for it.
NOT_COUNTED = frozenset({"KN212"})

BLOCK = re.compile(
    r"(?:^% example: (?P<clauses>[^\n]*)\n)?"
    r"^(?P<fence>`{3,})(?P<language>[a-z]+)\n(?P<source>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
TASK = re.compile(r"^task (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block with its clauses: the words behind each clause's first word."""

    language: str
    source: str
    line: int
    clauses: tuple[str, ...]

    def clause(self, word: str) -> str | None:
        """What follows the clause of that name; None when it is not there."""
        found = self.all(word)
        return found[0] if found else None

    def all(self, word: str) -> list[str]:
        """What follows each clause of that name."""
        return [
            text[len(word) :].strip()
            for text in self.clauses
            if (text + " ").startswith(word + " ")
        ]


def blocks(document: Document) -> Iterable[Region]:
    """The examples of a page."""
    for match in BLOCK.finditer(document.text):
        clauses = tuple(
            part.strip() for part in (match["clauses"] or "").split(" | ") if part.strip()
        )
        line = document.text.count("\n", 0, match.start("source")) + 1
        block = Block(match["language"], match["source"], line, clauses)
        if block.clause("not run") is None and (
            block.language in EVALUATORS or block.clause("file") is not None
        ):
            yield Region(match.start(), match.end(), parsed=block, evaluator=evaluate)


def evaluate(example: Example) -> str | None:
    """Write, check or run one block; the answer is what is wrong with it."""
    block: Block = example.parsed
    name = block.clause("file")
    if name is not None:
        path = Path(example.namespace["here"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.source, encoding="utf-8")
        if block.language != "knhk" or block.clause("not checked") is not None:
            return None
    return EVALUATORS[block.language](example, block)


def evaluate_knhk(example: Example, block: Block) -> str | None:
    """Check the source; say what differs from the diagnostics that are expected."""
    here = Path(example.namespace["here"])
    name = block.clause("file")
    text = whole(block)
    sources = Sources.of_text(text, root=here) if name is None else Sources.of_file(here / name)
    diagnostics = check_sources(sources, environment())
    expected = (block.clause("gives") or "").split()
    given = {diagnostic.code for diagnostic in diagnostics}
    if sorted(given - (NOT_COUNTED - set(expected))) == sorted(expected):
        return None
    found = "\n".join(map(str, diagnostics)) or "no diagnostics"
    return f"expected {expected or 'no diagnostics'}, found:\n{found}\nin:\n{text}"


def whole(block: Block) -> str:
    """The block as a file of its own: pieces of a workflow get a workflow around them."""
    flow, tasks, body = (block.clause(word) for word in ("flow", "tasks", "body"))
    if flow is None and tasks is None and body is None:
        return block.source
    head = "".join(f"{line}\n" for line in block.all("with"))
    head += f"workflow example({block.clause('given') or ''})\n"
    if body is not None:
        return head + textwrap.indent(block.source, "    ")
    if flow is not None:
        declared = "".join(f"    task {name.strip()}\n" for name in flow.split(",") if name.strip())
        return head + declared + "    flow\n" + textwrap.indent(block.source, "        ")
    chain = " -> ".join(("start", *TASK.findall(block.source), "end"))
    return head + textwrap.indent(block.source, "    ") + f"    flow\n        {chain}\n"


def evaluate_python(example: Example, block: Block) -> None:
    """Run the block with the names of the blocks before it; line numbers are those of the page."""
    code = compile("\n" * (block.line - 1) + block.source, example.path, "exec", dont_inherit=True)
    exec(code, example.namespace)


def evaluate_console(example: Example, block: Block) -> str | None:
    """Run the commands; say how what they print differs from what is shown."""
    printed, status = "", 0
    shown = block.source.rstrip("\n")
    for line in shown.splitlines():
        if not line.startswith("$ "):
            continue
        done = subprocess.run(
            line[2:],
            shell=True,
            cwd=example.namespace["here"],
            env=command_environment(Path(example.namespace["bin"])),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        printed += f"{line}\n{done.stdout}"
        status = done.returncode
    expected_status = int(block.clause("exit") or 0)
    if matches(shown, printed.rstrip("\n")) and status == expected_status:
        return None
    return f"expected exit {expected_status}:\n{shown}\n\nfound exit {status}:\n{printed}"


def matches(shown: str, printed: str) -> bool:
    """Whether the output is as shown, where `...` stands for anything."""
    shown, printed = _without_chance(shown), _without_chance(printed)
    lines = [
        "(?:.*\n)*?" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), printed + "\n") is not None


def _without_chance(text: str) -> str:
    """The text with signs for what differs from run to run."""
    for pattern, sign in CHANCE:
        text = pattern.sub(sign, text)
    return text


def command_environment(bin_path: Path) -> dict[str, str]:
    """The environment of a command: plain output, `knhk` and `python` of this interpreter."""
    return os.environ | {
        "PATH": f"{bin_path}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


EVALUATORS = {"knhk": evaluate_knhk, "python": evaluate_python, "console": evaluate_console}


def set_up(namespace: dict[str, object]) -> None:
    """An empty directory for the page, and commands that run this interpreter."""
    root = Path(tempfile.mkdtemp(prefix="knhk-docs-")).resolve()
    here, bin_path = root / "page", root / "bin"
    here.mkdir()
    bin_path.mkdir()
    for name, command in (("knhk", "-m knhk "), ("python", "")):
        script = bin_path / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command}"$@"\n', encoding="utf-8")
        script.chmod(0o755)
    namespace.update(here=here, bin=bin_path, root=root, before=Path.cwd(), __name__="example")
    os.chdir(here)
    sys.path.insert(0, str(here))


def tear_down(namespace: dict[str, object]) -> None:
    """Forget the page's directory, and the modules that were imported from it."""
    here = str(namespace["here"])
    os.chdir(str(namespace["before"]))
    sys.path[:] = [place for place in sys.path if not place.startswith(here)]
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(here):
            del sys.modules[name]
    shutil.rmtree(str(namespace["root"]))


def set_up_with_examples(namespace: dict[str, object]) -> None:
    """The same, with the modules and types that the examples outside of the tutorial name."""
    set_up(namespace)
    shutil.copytree(HERE / "_examples", str(namespace["here"]), dirs_exist_ok=True)


TUTORIAL = "tutorial/*.md"
pytest_collect_file = integrate(
    Sybil(parsers=[blocks], pattern=TUTORIAL, setup=set_up, teardown=tear_down),
    Sybil(
        parsers=[blocks],
        pattern="*.md",
        excludes=[TUTORIAL, "_build/*"],
        setup=set_up_with_examples,
        teardown=tear_down,
    ),
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the examples of a page together and in order, also where tests run in random order."""
    order = {id(item): position for position, item in enumerate(items)}
    first: dict[Path, int] = {}
    for item in items:
        if isinstance(item, SybilItem):
            first.setdefault(item.path, order[id(item)])

    def key(item: pytest.Item) -> tuple[int, int]:
        if isinstance(item, SybilItem):
            return first[item.path], item.example.line
        return order[id(item)], 0

    items.sort(key=key)
