"""`knhk check`: every problem of every file, for people or for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from knhk.cli.files import knhk_files
from knhk.cli.terminal import colourful, printable

if TYPE_CHECKING:
    from knhk.cli.findings import Findings
    from knhk.errors import Diagnostic
    from knhk_dsl import Sources


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(["human", "json", "sarif", "github"]),
    default="human",
    show_default=True,
    help="For people, with the source line and the place underlined; for programs; for code"
    " scanning services; for annotations in GitHub Actions.",
)
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long each workflow is explored at most.",
)
@click.option("--watch", is_flag=True, help="Go on, and check again when a file changes.")
def check(paths: tuple[str, ...], form: str, limit_s: float, *, watch: bool) -> int:
    """Check .knhk files and report every problem.

    A directory stands for the .knhk files in it. Every workflow is explored: whether a case
    of it can get stuck, pile up work or never end, with the shortest run that leads there.

    Exits with 0 if there is no error (warnings are none), else with 2. With --watch it goes on
    until Ctrl-C and then exits as after the last check.
    """
    from knhk.cli.findings import find

    files = list(knhk_files(paths))
    if not files:
        raise click.UsageError(f"there is no .knhk file in {', '.join(paths)}")
    if watch:
        from knhk.cli.watching import check_again_and_again

        return check_again_and_again(paths, limit_s, lambda findings: _show(findings, form))
    findings = find(files, limit_s)
    _show(findings, form)
    return findings.exit_code


def tell(diagnostics: Iterable[Diagnostic], sources: Sources | None = None) -> None:
    """Show diagnostics on stderr, with the source lines where the sources are at hand."""
    from knhk_dsl.rendering.human import render_human

    texts: dict[str, str] = {}
    shown = tuple(diagnostics)
    if sources is not None:
        from knhk.cli.findings import seen_from_here, texts_of
        from knhk_dsl.silencing import silence

        texts = texts_of(sources)
        shown, _ = silence(seen_from_here(shown, sources), texts, judged=())
    text = render_human(shown, texts, colour=colourful(sys.stderr))
    click.echo(printable(text, sys.stderr), nl=False, err=True)


def _show(findings: Findings, form: str) -> None:
    text = _rendered(findings, form)
    if text:
        click.echo(printable(text, sys.stdout), nl=not text.endswith("\n"))
    click.echo(findings.summary, err=True)


def _rendered(findings: Findings, form: str) -> str:
    if form == "json":
        from knhk_dsl.rendering.listing import render_json

        return render_json(findings.shown)
    if form == "sarif":
        from knhk import __version__
        from knhk_dsl.rendering.sarif import render_sarif

        return render_sarif(findings.shown, findings.silenced, __version__)
    if form == "github":
        from knhk_dsl.rendering.github import render_github

        return render_github(findings.shown)
    if not findings.shown:
        return ""
    from knhk_dsl.rendering.human import render_human

    return render_human(findings.shown, findings.texts, colour=colourful(sys.stdout))
