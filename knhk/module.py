"""A loaded `.knhk` file: its workflows, ready to make cases of.

``load`` compiles a file (or source text) and gives a :class:`Module`, a mapping of names to
:class:`Workflow`. A workflow makes sans-IO cases; the engine runs the same workflows durably.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from knhk.errors import InputError, Misfit, MisfitError, ReplayError, UnknownName
from knhk.kernel import Case, Program
from knhk.model import CREATE, REFUSED, Input, Moment, Net

if TYPE_CHECKING:
    from knhk_dsl import Compilation, Environment

__all__ = ["Module", "Workflow", "load"]

SUFFIX: Final = ".knhk"


@final
class Workflow:
    """A workflow that checks: its net, the program made of it, and its parameters."""

    def __init__(self, net: Net) -> None:
        self.net: Final = net
        self.program: Final = Program(net)

    @property
    def name(self) -> str:
        """The name of the workflow."""
        return self.net.name

    def __repr__(self) -> str:
        parameters = ", ".join(
            f"{parameter.name}: {parameter.codec.text}" for parameter in self.net.parameters
        )
        return f"<Workflow {self.name}({parameters})>"

    def case(self, _case_id: str = "case", /, **parameters: object) -> Case:
        """A new sans-IO case; the parameters of the workflow are given by keyword.

        The clock of the case begins at the Unix epoch. The optional first argument names the
        case, which seeds ``random()``. Raises :class:`~knhk.errors.InputError` naming every
        value that does not fit.
        """
        case = Case(self.program, _case_id)
        case.apply(Input(CREATE, 0, value=self.accept(parameters)))
        return case

    def accept(self, given: Mapping[str, object], at_us: int = 0) -> dict[str, object]:
        """The parameters as typed values, defaults filled in, in order of declaration.

        Raises :class:`~knhk.errors.InputError` naming every missing, unknown or unfit one.
        """
        misfits: list[Misfit] = []
        values: dict[str, object] = {}
        for parameter in self.net.parameters:
            name = parameter.name
            if name in given:
                value = given[name]
            elif parameter.default is not None:
                value = parameter.default.evaluate(dict(values), Moment(at_us, 0, 0))
            else:
                misfits.append(Misfit(name, f"is missing; its type is {parameter.codec.text}"))
                continue
            try:
                values[name] = parameter.codec.accept(value)
            except MisfitError as error:
                misfits.extend(misfit.under(name) for misfit in error.misfits)
        known = {parameter.name for parameter in self.net.parameters}
        for name in given:
            if name not in known:
                expected = ", ".join(known) if known else "it has none"
                misfits.append(Misfit(name, f"is not a parameter; parameters: {expected}"))
        if misfits:
            raise InputError(f"workflow {self.name!r}", misfits)
        return values

    def replay(self, history: Iterable[Input], case_id: str = "case") -> Case:
        """The case that a recorded history makes: equal, to the bit, to the recorded one.

        Raises :class:`~knhk.errors.ReplayError` at the first input this workflow refuses.
        """
        case = Case(self.program, case_id)
        for seq, fact in enumerate(history, start=1):
            effects = case.apply(fact)
            if effects and effects[0].kind == REFUSED:
                raise ReplayError(case_id, seq, effects[0].why)
        return case


@final
class Module(Mapping[str, Workflow]):
    """The workflows of one compiled file, by name; programs are made when first asked for.

    They are those that the file names, its own and those it uses from other files, and every
    workflow that these call as a sub-case. One that the file does not name itself has the name
    of its file before its own: ``parts/ship.knhk:send``.
    """

    def __init__(self, compilation: Compilation) -> None:
        self.compilation: Final = compilation
        self._workflows: dict[str, Workflow] = {}

    @property
    def records(self) -> Mapping[str, type]:
        """The pydantic models of the records, and the enumerations, by name."""
        return self.compilation.records

    @property
    def digest(self) -> str:
        """The content hash of all sources that went into it."""
        return self.compilation.digest

    def __getitem__(self, name: str) -> Workflow:
        workflow = self._workflows.get(name)
        if workflow is None:
            net = self.compilation.nets.get(name)
            if net is None:
                raise UnknownName("workflow", name, self.compilation.nets)
            workflow = self._workflows[name] = Workflow(net)
        return workflow

    def __contains__(self, name: object) -> bool:
        return name in self.compilation.nets

    def __iter__(self) -> Iterator[str]:
        return iter(self.compilation.nets)

    def __len__(self) -> int:
        return len(self.compilation.nets)


def load(source: str | Path, environment: Environment | None = None) -> Module:
    """Compile a `.knhk` file, or source text, and give its workflows.

    A ``Path``, or a string of one line, is a file's path; a string of several lines is source
    text. ``environment`` says which task types and connectors there are (by default those
    that are installed). Raises :class:`~knhk.errors.CheckError` with all diagnostics.
    """
    from knhk_dsl import Sources, compile_sources

    if environment is None:
        from knhk.plugins import environment as installed

        environment = installed()
    if isinstance(source, str) and ("\n" in source or not source.strip()):
        sources = Sources.of_text(source)
    else:
        sources = Sources.of_file(Path(source))
    return Module(compile_sources(sources, environment))
