"""From a bundle of sources to workflows that can be run here: callees are found and bound.

The sources are compiled first, and callees looked for only when a case of the workflow is
to be run, so that a store can be read where the Python modules are not installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from knhk.engine.callees import Callees
from knhk.engine.version import Version
from knhk.errors import StoreDamaged, UnknownName
from knhk.journal import Bundle
from knhk.module import Module

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Deployment", "bundle_of", "offered"]


@final
class Deployment:
    """The workflows of one bundle, made ready one by one as they are asked for."""

    def __init__(
        self, module: Module, root: Path | None, entry: str, callees: Callees | None
    ) -> None:
        self.module: Final = module
        self._callees = callees
        self._places = _places(root, [entry, *module.compilation.files])
        self._versions: dict[str, Version] = {}

    @classmethod
    def of_bundle(
        cls, bundle: Bundle, environment: Environment, callees: Callees | None
    ) -> Deployment:
        """Compile the sources that a journal has kept."""
        from knhk_dsl import Sources, compile_sources

        root = Path(bundle.root) if bundle.root else None
        sources = Sources.of_bundle(dict(bundle.files), bundle.entry, root)
        module = Module(compile_sources(sources, environment))
        if module.digest != bundle.digest:
            raise StoreDamaged(
                f"the store is damaged: the sources {bundle.digest} have been changed;"
                " go back to a copy of it"
            )
        return cls(module, root, bundle.entry, callees)

    def version(self, workflow: str) -> Version:
        """A workflow with its callees; raises :class:`DeployError` for what is missing."""
        assert self._callees is not None, "an engine that only reads runs nothing"
        version = self._versions.get(workflow)
        if version is None:
            if workflow not in self.module:
                raise UnknownName("workflow", workflow, self.module)
            found = self.module[workflow]
            performers = self._callees.performers(found.net, self._places)
            undoers = self._callees.undoers(found.net, self._places)
            needs = self._callees.needs(found.net, performers, undoers)
            version = self._versions[workflow] = Version(
                self.module.digest, found, performers, undoers, needs
            )
        return version

    def read_only(self, workflow: str) -> Version:
        """A workflow without its callees, to look at its cases."""
        return Version(self.module.digest, self.module[workflow], {}, {})


def bundle_of(module: Module, deployed_us: int) -> Bundle:
    """What the journal keeps of a module."""
    compilation = module.compilation
    root = "" if compilation.root is None else str(compilation.root)
    files: Mapping[str, str] = compilation.files
    names = tuple(offered(module))
    return Bundle(compilation.digest, compilation.entry, root, files, names, deployed_us)


def offered(module: Module) -> Iterable[str]:
    """The workflows of a module that cases may be begun of.

    Those that only its own workflows call, out of other files, have names that are none.
    """
    return (name for name in module.compilation.nets if name.isidentifier())


def _places(root: Path | None, files: Iterable[str]) -> tuple[Path, ...]:
    """Where Python modules are looked for first: beside each file, then in the project's root."""
    if root is None:
        return ()
    beside = [(root / file).parent for file in files]
    return tuple(dict.fromkeys([*beside, root]))
