"""The workflows that an engine knows: deployed ones, and those that its journal has kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, final

import anyio

from knhk.engine.callees import Callees
from knhk.engine.deployment import Deployment, bundle_of, offered
from knhk.engine.version import Version
from knhk.errors import StoreAway, StoreDamaged, StoreUnavailable, UnknownName, UsageError
from knhk.journal import PATIENCE_S, Journal
from knhk.module import Module, load
from knhk.surroundings import call_in_thread

if TYPE_CHECKING:
    from knhk_dsl.environment import Environment

__all__ = ["Catalogue", "asked", "in_thread"]

#: Pauses between two questions to a store that is away: the first, and the longest.
PAUSE_MIN_S: Final = 0.05
PAUSE_MAX_S: Final = 1.0

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
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._journal = journal
        self._patience_s = patience_s
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
            return await call_in_thread(partial(load, source, self._environment()))
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

    def forget_newest(self) -> None:
        """Others may have deployed newer versions: the journal is to be asked again."""
        self._newest.clear()

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
                deployment = await call_in_thread(compiling)
                self._deployments[digest] = deployment
        self._loading.pop(digest, None)
        return deployment

    async def _ask(self, question: Callable[..., T], *args: object) -> T:
        return await asked(self._journal, self._patience_s, question, *args)


async def asked(
    journal: Journal, patience_s: float, question: Callable[..., T], *args: object
) -> T:
    """Ask a journal something; while the store is away, again and again for ``patience_s``.

    Raises :class:`~knhk.errors.StoreAway` then. Who is cancelled meanwhile does not wait.
    """
    if not journal.blocking:
        return question(*args)
    deadline = anyio.current_time() + patience_s
    pause_s = PAUSE_MIN_S
    # A disk of this machine answers or fails; only a server may do neither.
    limit = math.inf if getattr(journal, "local", False) else deadline + PAUSE_MAX_S
    with anyio.CancelScope(deadline=limit):
        while True:
            try:
                return await in_thread(journal, question, *args)
            except StoreAway:
                if anyio.current_time() >= deadline:
                    raise
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
    raise StoreUnavailable(
        f"the store has not answered for {patience_s:g} s;"
        " see that its server works, then ask again"
    )


async def in_thread(journal: Journal, question: Callable[..., T], *args: object) -> T:
    """Ask a journal something: in a thread if it blocks, of which one may let go."""
    if journal.blocking:
        return await call_in_thread(partial(question, *args), may_leave=True)
    return question(*args)
