"""The option `--store`, and whether there is a store at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

DEFAULT: Final = "knhk.db"
IN_MEMORY: Final = ":memory:"

store_option = click.option(
    "--store",
    default=DEFAULT,
    show_default=f"{DEFAULT} in the working directory",
    metavar="PATH",
    help="The store that keeps the cases: a path, postgresql://... or ':memory:', which keeps them"
    " until the command ends.",
)


def require(store: str) -> None:
    """Refuse to look into a store that is not there: an empty one would be made."""
    if store == IN_MEMORY:
        raise click.UsageError("a store in memory is gone when its command ends; give a path")
    path = Path(store.removeprefix("sqlite:///"))
    is_server = "://" in store and not store.startswith("sqlite:///")
    if not is_server and not path.exists():
        raise click.UsageError(f"there is no store {path}; `knhk run` makes one, --store names it")


def quoted(store: str) -> str:
    """Write the option as it is to be typed, but for a password."""
    import shlex

    from knhk.journal.passwords import without_password

    return "" if store == DEFAULT else f" --store {shlex.quote(without_password(store))}"
