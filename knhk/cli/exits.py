"""What the command's exit codes mean, and how errors become one of them and a sentence.

=====  ==================================================================
code   meaning
=====  ==================================================================
0      done: the file checks, the case completed
1      the case failed, was cancelled or is stuck, or the store failed
2      the command was used wrongly, or a file does not check
3      the case now waits for work that is done outside
130    stopped by Ctrl-C or by SIGTERM
=====  ==================================================================
"""

from __future__ import annotations

from typing import Final

import click

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
WAITING: Final = 3
STOPPED: Final = 130


def report(error: Exception) -> int:
    """Tell an error of KNHK on stderr, in the words it carries, and give the exit code."""
    from knhk.errors import CheckError, DeployError, UsageError

    if isinstance(error, CheckError):
        from knhk.cli.check import tell

        tell(error.diagnostics)
        return USAGE
    click.echo(f"knhk: {error}", err=True)
    return USAGE if isinstance(error, UsageError | DeployError) else FAILED
