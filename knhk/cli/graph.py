"""`knhk graph`: a workflow as a picture, or for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from knhk.cli import exits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knhk.errors import Diagnostic, Run
    from knhk.model import Net
    from knhk_dsl import Sources


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--workflow", metavar="NAME", help="Which one, if the file has several.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "mermaid", "dot", "json", "pnml"]),
    default="svg",
    show_default=True,
    help="A picture; the text of one for Mermaid or Graphviz; the net for programs; a Petri net"
    " for tools that analyse these.",
)
@click.option(
    "--run",
    "with_run",
    is_flag=True,
    help="Draw the run with which the check shows its first finding.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Where it goes; else it goes to stdout.",
)
def graph(file: str, workflow: str | None, form: str, output: str | None, *, with_run: bool) -> int:
    """Draw a workflow of a .knhk file: its tasks, joins, splits, and what is cancelled.

    With --run, the tasks that the run visits bear the numbers of its steps, the arrows that it
    takes are marked, and the places in which it leaves tokens say how many. Where the check
    shows no run, the workflow is drawn alone.

    A PNML file has no runs, and only places and transitions: what these cannot say is refused.
    Exits with 0, or with 2 if the file does not check or cannot be written in that form.
    """
    from knhk.cli.check import tell
    from knhk.errors import CheckError
    from knhk.plugins import environment
    from knhk_dsl import Sources, compile_sources

    if with_run and form == "pnml":
        raise click.UsageError("--run: PNML has no runs; take another --format")
    sources = Sources.of_file(file)
    try:
        nets = compile_sources(sources, environment()).nets
    except CheckError as error:
        tell(error.diagnostics, sources)
        return exits.USAGE
    net = _chosen(nets, workflow, file)
    shown = _finding(sources, net, nets) if with_run else None
    if with_run:
        told = f"the run of {shown}" if shown else f"the check shows no run of {net.name}"
        click.echo(f"knhk: {told}", err=True)
    text = _drawn(net, form, shown.run if shown else None).encode()
    if output is None:
        click.echo(text, nl=False)
    else:
        Path(output).write_bytes(text)
    return exits.DONE


def _chosen(nets: Mapping[str, Net], workflow: str | None, file: str) -> Net:
    """The workflow that is meant, if only by being the only one."""
    known = ", ".join(nets) or "none"
    if workflow is None and len(nets) != 1:
        raise click.UsageError(f"name one with --workflow; {file} has: {known}")
    if workflow is not None and workflow not in nets:
        raise click.UsageError(f"{file} has no workflow {workflow!r}; it has: {known}")
    return nets[next(iter(nets)) if workflow is None else workflow]


def _drawn(net: Net, form: str, run: Run | None) -> str:
    from knhk import pictures

    if form == "pnml":
        return pictures.pnml(net)
    draw = {
        "svg": pictures.svg,
        "mermaid": pictures.mermaid,
        "dot": pictures.dot,
        "json": pictures.as_json,
    }[form]
    return draw(net, run)


def _finding(sources: Sources, net: Net, nets: Mapping[str, Net]) -> Diagnostic | None:
    """The first finding about a workflow that a run shows, and that no comment silences."""
    from knhk.checking import check
    from knhk.plugins import environment
    from knhk_dsl.silencing import silence

    found = check(sources, environment()).diagnostics
    shown, _ = silence(found, sources.files, judged=())
    return next((each for each in shown if each.run and _is_about(each, net, nets)), None)


def _is_about(diagnostic: Diagnostic, net: Net, nets: Mapping[str, Net]) -> bool:
    """Whether a finding stands behind the head of a workflow, and before that of the next."""
    heads = [
        other.span
        for other in nets.values()
        if other.span and other.span.file == diagnostic.span.file and other.span <= diagnostic.span
    ]
    names = {node.name for node in net.nodes}
    tasks = [] if diagnostic.run is None else [step.task for step in diagnostic.run.steps]
    return bool(heads) and max(heads) == net.span and names.issuperset(tasks)
