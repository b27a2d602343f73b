"""What the names in an expression stand for, at one place of a workflow."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from knhk_dsl.names.namespaces import FileScope
from knhk_dsl.values.types import Type

#: A name and the fields behind it, as in ``order.customer``.
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A name that has a value: of what type, and of which kind.

    Kinds: parameter, variable, task, "loop variable", word (as ``done``), unknown.
    """

    type: Type
    kind: str


class _Everything:
    """A container of whatever is asked for."""

    def __contains__(self, item: object) -> bool:
        return True


EVERYTHING: Final[Container[str]] = _Everything()


@dataclass(frozen=True, slots=True)
class Scope:
    """The names at one place.

    ``values`` are those of the workflow, ``local`` those of comprehensions and of the task.
    ``certain`` holds the tasks whose results are certainly there, ``tested`` the paths that
    are certainly not none. ``place`` is what the expression is for: ``outside`` (arguments,
    evaluated outside of the kernel), ``settings`` (likewise), ``sub-case`` and ``compensation``
    (arguments that are kept), ``inside``, or ``constant`` (the default of a field). ``lenient``
    scopes know names that the checker does not.
    """

    file: FileScope
    values: Mapping[str, Value] = field(default_factory=dict)
    local: Mapping[str, Value] = field(default_factory=dict)
    certain: Container[str] = EVERYTHING
    tested: frozenset[Path] = frozenset()
    place: str = "inside"
    lenient: bool = False

    def with_local(self, name: str, value: Value) -> Scope:
        """The scope with one more name."""
        tested = frozenset(path for path in self.tested if path[0] != name)
        return replace(self, local={**self.local, name: value}, tested=tested)

    def with_tested(self, paths: frozenset[Path]) -> Scope:
        """The scope where these paths are not none."""
        return self if paths <= self.tested else replace(self, tested=self.tested | paths)

    def find(self, name: str) -> Value | None:
        """What a name stands for."""
        return self.local.get(name) or self.values.get(name)

    def names(self) -> list[str]:
        """Every name, for suggestions."""
        return [*self.local, *self.values]
