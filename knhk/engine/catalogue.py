"""The workflows that an engine knows: deployed ones, and those that its journal has kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, final

import anyio
import anyio.to_thread

from knhk.engine.callees import Callees
from knhk.engine.deployment import Deployment, bundle_of, offered
from knhk.engine.version import Version
from knhk.errors import StoreDamaged, UnknownName, UsageError
from knhk.journal import Journal
from knhk.module import Module, load

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Catalogue", "in_thread"]

T = TypeVar("T")


@final
class Catalogue:
    """Versions of workflows by their digest; compiled when they are first asked for.

    Without ``callees`` they are there to be looked at only.
    """

    def __init__(
        self,
        journal: Journal,
        environment: Callable[[], Environment],
        callees: Callees | None,
    ) -> None:
        self._journal = journal
        self._environment = environment
        self._callees = callees
        self._deployments: dict[str, Deployment] = {}
        self._newest: dict[str, str] = {}
        self._loading: dict[str, anyio.Lock] = {}

    async def deploy(self, source: str | Path | Module, now_us: int) -> Module:
        """Keep a module in the journal, and make it the newest version of its workflows.

        Raises :class:`~knhk.errors.CheckError` and :class:`~knhk.errors.DeployError`.
        """
        module = source if isinstance(source, Module) else await self._compiled(source)
        deployment = Deployment(
            module, module.compilation.root, module.compilation.entry, self._callees
        )
        for name in module.compilation.nets:
            deployment.version(name)
        await self._ask(self._journal.keep, bundle_of(module, now_us))
        self._deployments[module.digest] = deployment
        for name in offered(module):
            self._newest[name] = module.digest
        return module

    async def _compiled(self, source: str | Path) -> Module:
        try:
            return await anyio.to_thread.run_sync(load, source, self._environment())
        except OSError as error:
            raise UsageError(
                f"the workflow file {source} cannot be read: {error.strerror}; give another path"
            ) from error

    async def version(self, workflow: str, digest: str) -> Version:
        """A workflow of a version, with who does its tasks.

        Raises :class:`~knhk.errors.DeployError` for a callee that is not there.
        """
        return (await self._deployment(digest)).version(workflow)

    async def read_only(self, workflow: str, digest: str) -> Version:
        """A workflow of a version, to look at its cases."""
        return (await self._deployment(digest)).read_only(workflow)

    async def newest(self, workflow: str) -> Version:
        """The version of ``workflow`` deployed last, or :class:`~knhk.errors.UnknownName`."""
        digest = self._newest.get(workflow)
        if digest is None:
            digest = await self._ask(self._journal.newest, workflow)
            if digest is None:
                known = await self._ask(self._journal.workflows)
                raise UnknownName("workflow", workflow, known)
            self._newest[workflow] = digest
        return await self.version(workflow, digest)

    async def _deployment(self, digest: str) -> Deployment:
        deployment = self._deployments.get(digest)
        if deployment is not None:
            return deployment
        # Compiling is long: many cases of one version must not all do it.
        async with self._loading.setdefault(digest, anyio.Lock()):
            deployment = self._deployments.get(digest)
            if deployment is None:
                bundle = await self._ask(self._journal.bundle, digest)
                if bundle is None or bundle.entry not in bundle.files:
                    raise StoreDamaged(
                        f"the store is damaged: the sources {digest} are missing;"
                        " go back to a copy of it"
                    )
                compiling = partial(
                    Deployment.of_bundle, bundle, self._environment(), self._callees
                )
                deployment = await anyio.to_thread.run_sync(compiling)
                self._deployments[digest] = deployment
        self._loading.pop(digest, None)
        return deployment

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await in_thread(self._journal, question, *args)


async def in_thread(journal: Journal, question: Callable[..., T], *args: object) -> T:
    """Ask a journal something: in a thread if it blocks."""
    if journal.blocking:
        return await anyio.to_thread.run_sync(partial(question, *args))
    return question(*args)
