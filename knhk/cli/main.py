"""The group of commands, and the one place where errors become sentences."""

from __future__ import annotations

import os
import sys

import click

from knhk.cli import exits
from knhk.cli.cases import list_, show, stalled, verify, versions
from knhk.cli.check import check, tell
from knhk.cli.conformance import conformance
from knhk.cli.explain import explain
from knhk.cli.fmt import fmt
from knhk.cli.graph import graph
from knhk.cli.lsp import lsp
from knhk.cli.messages import broadcast, messages, publish, send, signal
from knhk.cli.outside import claim, complete, fail, heartbeat, release, work
from knhk.cli.repair import cancel, fork, resume, retry, skip, suspend
from knhk.cli.run import run
from knhk.cli.version import version


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, *, debug: bool) -> None:
    """Check, run and look at workflows written in .knhk files."""
    context.obj = debug


COMMANDS = (
    check,
    explain,
    fmt,
    graph,
    run,
    resume,
    work,
    claim,
    heartbeat,
    complete,
    fail,
    release,
    retry,
    skip,
    suspend,
    cancel,
    fork,
    send,
    signal,
    publish,
    broadcast,
    messages,
    list_,
    show,
    versions,
    stalled,
    verify,
    conformance,
    lsp,
    version,
)
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(execute(given))


def execute(arguments: list[str]) -> int:
    """Run the command; whatever goes wrong is told on stderr and is in the exit code."""
    try:
        code = cli.main(arguments, prog_name="knhk", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("knhk: stopped", err=True)
        return exits.STOPPED
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; what is still buffered has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED
    except Exception as error:  # every error ends as one sentence; --debug shows where it was
        if "--debug" in arguments:
            raise
        return _tell(error)
    return code if isinstance(code, int) else exits.DONE


def _tell(error: Exception) -> int:
    from knhk.errors import CheckError, DeployError, KnhkError, UsageError

    if isinstance(error, CheckError):
        tell(error.diagnostics)
        return exits.USAGE
    if isinstance(error, KnhkError):
        click.echo(f"knhk: {error}", err=True)
        return exits.USAGE if isinstance(error, UsageError | DeployError) else exits.FAILED
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"knhk: {where}{error.strerror or error}", err=True)
        return exits.FAILED
    click.echo(
        f"knhk: internal error: {type(error).__name__}: {error}\n"
        "This is a fault of KNHK; `knhk --debug ...` shows where.",
        err=True,
    )
    return exits.FAILED
