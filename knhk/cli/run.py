"""`knhk run`: a case is begun, and followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from knhk.cli import exits
from knhk.cli.session import follow_one
from knhk.cli.store import store_option

if TYPE_CHECKING:
    from knhk.engine import CaseHandle, Engine
    from knhk.module import Module


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("workflow", required=False)
@click.option("--input", "text", metavar="JSON|@FILE", help="The parameters, as a JSON object.")
@click.option(
    "-p",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="One parameter: text as it is, other types as JSON. Goes before --input.",
)
@click.option("--case", "case_id", metavar="ID", help="A name for the case; else one is made up.")
@click.option("--tenant", metavar="NAME", help="Whose case it is.")
@store_option
def run(
    file: str,
    workflow: str | None,
    text: str | None,
    pairs: tuple[str, ...],
    case_id: str | None,
    tenant: str | None,
    store: str,
) -> int:
    """Run a workflow of a .knhk file, and print its result as JSON.

    WORKFLOW may be left out when the file has one. Progress goes to stderr. Exits with 0 when
    the case completed, 1 when it failed, 2 for a file that does not check or an input that does
    not fit, 3 when it now waits for work that is done outside, 130 when it was stopped.
    """
    from knhk.cli.parameters import parameters

    module = _load(file)
    if module is None:
        return exits.USAGE
    chosen = module[_choose(module, workflow, file)]
    values = parameters(chosen.net, text, pairs)
    chosen.accept(values)  # before a store is made for nothing

    async def begin(engine: Engine) -> CaseHandle:
        await engine.deploy(module)
        return await engine.start(chosen.name, values, case_id=case_id, tenant=tenant)

    return follow_one(begin, store)


def _load(file: str) -> Module | None:
    """Compile a file, or show what keeps it from being compiled."""
    from pathlib import Path

    from knhk.cli.check import tell
    from knhk.errors import CheckError
    from knhk.module import Module
    from knhk.plugins import environment
    from knhk_dsl import Sources, compile_sources

    sources = Sources.of_file(Path(file))
    try:
        compilation = compile_sources(sources, environment())
    except CheckError as error:
        tell(error.diagnostics, sources)
        return None
    tell(compilation.diagnostics, sources)
    return Module(compilation)


def _choose(module: Module, workflow: str | None, file: str) -> str:
    """Name the workflow that is meant, if only by being the only one."""
    names = list(module)
    if workflow is not None:
        if workflow not in names:
            known = ", ".join(names) or "none"
            raise click.UsageError(f"{file} has no workflow {workflow!r}; it has: {known}")
        return workflow
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise click.UsageError(f"name the workflow to run; {file} has: {known}")
    return names[0]
