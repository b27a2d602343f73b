"""`knhk version`: what is installed here."""

from __future__ import annotations

import click


@click.command()
def version() -> None:
    """Say which KNHK, kernel, Python and SQLite this is."""
    import platform
    from pathlib import Path

    import apsw

    import knhk
    import knhk.kernel

    compiled = Path(str(knhk.kernel.__file__)).suffix != ".py"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    click.echo(f"knhk    {knhk.__version__}")
    click.echo(f"kernel  {'compiled' if compiled else 'interpreted'}")
    click.echo(f"Python  {python}")
    click.echo(f"SQLite  {apsw.sqlite_lib_version()}")
