"""The values for a workflow's parameters, from ``--input`` and ``-p`` on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NoReturn

import click

from knhk.errors import MisfitError
from knhk.model import Codec, Net

#: Types whose values are written as text: ``-p id=007`` is the text 007, and a decimal
#: keeps its digits. All others are written as JSON.
AS_TEXT: Final = frozenset({"str", "decimal", "bytes", "date", "datetime", "duration"})


def parameters(net: Net, text: str | None, pairs: Iterable[str]) -> dict[str, object]:
    """Gather the given values by name; ``-p`` goes before ``--input``."""
    values = {} if text is None else _object("--input", _source(text))
    codecs = {parameter.name: parameter.codec for parameter in net.parameters}
    given: set[str] = set()
    for pair in pairs:
        name, equals, word = pair.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{pair!r} is not written name=value", param_hint="-p")
        if name in given:
            raise click.BadParameter(f"{name} is given twice", param_hint="-p")
        if name not in codecs:
            known = ", ".join(codecs) or "none"
            raise click.BadParameter(
                f"workflow {net.name} has no parameter {name!r}; it has: {known}", param_hint="-p"
            )
        given.add(name)
        values[name] = _value(name, codecs[name], word)
    return values


def result(text: str, option: str) -> object:
    """Read the JSON value of an option: written out, or ``@`` and the name of a file."""
    return _json(option, _source(text))


def _value(name: str, codec: Codec, word: str) -> object:
    if codec.text.removesuffix("?") in AS_TEXT:
        return word
    try:
        return json.loads(word, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        try:
            codec.accept(word)  # an enumeration's member is written without quotes
        except MisfitError:
            why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise click.BadParameter(
                f"parameter {name} is of type {codec.text}, and {word!r} is not JSON ({why})",
                param_hint="-p",
            ) from error
        return word


def _source(text: str) -> str:
    """Give the text itself, or that of the file it names: ``@order.json``, ``@-`` for stdin."""
    if not text.startswith("@"):
        return text
    name = text[1:]
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"{name or '@'}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name}: byte {error.start} is not UTF-8") from error


def _object(option: str, text: str) -> dict[str, object]:
    value = _json(option, text)
    if not isinstance(value, Mapping):
        raise click.BadParameter('must be a JSON object, as in \'{"id": "A1"}\'', param_hint=option)
    return {str(name): each for name, each in value.items()}


def _json(option: str, text: str) -> object:
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise click.BadParameter(
            f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}",
            param_hint=option,
        ) from error
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"cannot be read as JSON: {error}", param_hint=option) from error
    return value


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")
