"""`knhk lsp`: the language server, for editors."""

from __future__ import annotations

import click

_LIBRARIES = frozenset({"attrs", "cattrs", "lsprotocol", "pygls"})


@click.command()
def lsp() -> None:
    """Serve an editor over stdin and stdout: diagnostics, hover, completion, rename.

    Editors start this command themselves and speak the Language Server Protocol with it.
    It needs the extra: pip install 'knhk[lsp]'.
    """
    try:
        from knhk.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _LIBRARIES:
            raise
        raise click.ClickException(
            "the language server needs further packages: pip install 'knhk[lsp]'"
        ) from None
    serve()
