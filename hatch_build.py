"""The build hook: it compiles the kernel with mypyc into the wheel, and adds the suite.

Wheels hold the modules of ``COMPILED`` twice: as Python source and as extension modules,
which the interpreter prefers. Editable installs and source distributions stay as they are.
The environment variable ``KNHK_MYPYC`` decides:

``auto`` (default)
    compile where a C compiler works, else build an interpreted wheel and say so in one line;
``1``
    compile, and fail where that is not possible;
``0``
    do not try: a ``py3-none-any`` wheel that needs neither mypy nor a compiler.

The pattern files of ``tests/patterns`` go into every wheel, for ``knhk conformance``.

All compiling happens on a copy in a temporary directory, so nothing is left in the tree, and in
a process of its own, because mypyc ends the process when it finds a type error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What is compiled, and why.
COMPILED: Final = (
    "knhk/model.py",  # its values are made and read in every step; native classes cost a tenth
    "knhk/graphs.py",  # what the exploration asks of its graphs
    "knhk/kernel/*.py",  # the inner loop: tens of times faster over vec[i64] tables
    "knhk/journal/chain.py",  # a hash for every input
    "knhk/journal/writer.py",  # each step of each case goes through it, and through these:
    "knhk/engine/facts.py",
    "knhk/engine/fairness.py",
    "knhk/engine/live.py",
    "knhk/engine/performer.py",
    "knhk/engine/replaying.py",
    "knhk/engine/version.py",
    "knhk/engine/work.py",
    "knhk/engine/workers.py",
    "knhk/soundness/[!_]*.py",  # the exploration: hundreds of thousands of states a second
)
#: What mypy must see beside them; nothing else, as the build environment has no libraries.
SEEN: Final = ("knhk/**/*.py", "knhk/py.typed")
#: The compiler, and what it needs; `librt` comes with mypy.
REQUIREMENTS: Final = ("mypy==2.4.1", "setuptools>=80")

#: Calls between functions of one module need not be replaceable from outside; where a loop
#: happens to begin must not make it a fifth slower. (Not for the compiler of Windows.)
FLAGS: Final = ["-fno-semantic-interposition", "-falign-loops=32", "-falign-functions=64"]

#: Where the suite lies in a wheel; in a checkout it is ``tests/patterns``.
PATTERNS: Final = "knhk/testing/patterns"

#: Types are checked elsewhere, and with all libraries there; here they only help to compile.
MYPY: Final = """
[mypy]
explicit_package_bases = true
namespace_packages = true
follow_imports = silent
ignore_missing_imports = true
"""

EXIT_NO_COMPILER: Final = 3
PROBE: Final = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "probe", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_probe(void) { return PyModule_Create(&module); }
"""


class CannotCompileError(Exception):
    """Why there is no compiled kernel, in one sentence."""


class MypycHook(BuildHookInterface[Any]):
    """Adds the pattern files and the compiled modules to a standard wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Name what the build environment needs: nothing where nothing is compiled."""
        return [] if switch() == "0" else list(REQUIREMENTS)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hand the pattern files, the extension modules and the wheel's tag to hatchling."""
        mode = switch()
        if version != "standard":
            return
        build_data["force_include"].update(pattern_files(Path(self.root)))
        if mode == "0":
            return
        self.work = Path(tempfile.mkdtemp(prefix="knhk-build-"))
        try:
            extensions = compile_copy(Path(self.root), self.work)
        except CannotCompileError as error:
            shutil.rmtree(self.work, ignore_errors=True)
            if mode == "1":
                sys.exit(f"knhk: {error}; KNHK_MYPYC=1 asks for a compiled kernel")
            self.app.display_warning(f"knhk: {error}; the kernel is installed interpreted")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update(extensions)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary directory: the wheel has been written."""
        del version, build_data, artifact_path
        if hasattr(self, "work"):
            shutil.rmtree(self.work, ignore_errors=True)


def switch() -> str:
    """Read ``KNHK_MYPYC``."""
    mode = os.environ.get("KNHK_MYPYC", "auto")
    if mode not in {"auto", "1", "0"}:
        sys.exit(f"knhk: KNHK_MYPYC is {mode!r}; it must be auto, 1 or 0")
    return mode


def pattern_files(root: Path) -> dict[str, str]:
    """Each file of the conformance suite, and its place in the wheel."""
    return {str(path): f"{PATTERNS}/{path.name}" for path in root.glob("tests/patterns/*.toml")}


def compile_copy(root: Path, work: Path) -> dict[str, str]:
    """Compile a copy of the tree; give each extension module's file and its place in the wheel."""
    if sys.implementation.name != "cpython":
        raise CannotCompileError("mypyc compiles for CPython only")
    for pattern in (*COMPILED, *SEEN):
        for source in root.glob(pattern):
            target = work / source.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # The package's own __init__ imports, for type checkers, everything that it offers.
    (work / "knhk" / "__init__.py").touch()
    process = subprocess.run([sys.executable, __file__], cwd=work, check=False)
    if process.returncode == EXIT_NO_COMPILER:
        raise CannotCompileError("no working C compiler was found")
    if process.returncode:
        raise CannotCompileError("compiling failed, the reason stands above")
    built = work / "lib"
    files = [path for path in built.rglob("*") if path.suffix in {".so", ".pyd"}]
    return {str(path): path.relative_to(built).as_posix() for path in files}


def compile_here() -> int:
    """Compile the modules of the current directory into ``lib`` (in the child process)."""
    try:
        from mypyc.build import mypycify
        from setuptools import Extension
        from setuptools.errors import BaseError, CCompilerError
    except ImportError as error:
        print(f"{error}; building a compiled wheel needs: {', '.join(REQUIREMENTS)}")
        return 1
    Path("probe.c").write_text(PROBE, encoding="utf-8")
    try:
        build([Extension("probe", ["probe.c"])], "probe")
    except (BaseError, CCompilerError) as error:
        print(error)
        return EXIT_NO_COMPILER
    Path("mypy.ini").write_text(MYPY, encoding="utf-8")
    sources = [str(path) for pattern in COMPILED for path in sorted(Path().glob(pattern))]
    extensions = mypycify(
        ["--config-file", "mypy.ini", *sources],
        opt_level="3",
        debug_level="0",
        target_dir="c",
        group_name="knhk",
    )
    for extension in extensions:
        if sys.platform != "win32":
            extension.extra_compile_args += FLAGS
    build(extensions, "lib")
    return 0


def build(extensions: Iterable[object], directory: str) -> None:
    """Build extension modules with setuptools into a directory."""
    from setuptools import Distribution

    command = Distribution({"name": "knhk", "ext_modules": list(extensions)}).get_command_obj(
        "build_ext"
    )
    command.build_lib = directory
    command.build_temp = f"{directory}.tmp"
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    sys.exit(compile_here())
