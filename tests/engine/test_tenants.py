"""Cases belong to tenants: they are begun for one, and so are their parts and their copies."""

from __future__ import annotations

import pytest

from knhk.engine import Engine
from knhk.errors import InputError, UsageError
from tests.engine.conftest import Project

pytestmark = pytest.mark.anyio

FAMILY = """
    from handlers use whose
    workflow part() -> str
        task ask = whose()
        flow
            start -> ask -> end
        return ask
    workflow order() -> list[str]
        task below = part()
        task here = whose()
        flow
            start -> below -> here -> end
        return [below, here]
"""
WHOSE = """
    def whose() -> str:
        from knhk.engine import current_call
        return current_call().tenant
"""
NAMESAKE = """
    workflow lease(tenant: str, case_id: str = "none") -> str
        task sign
        flow
            start -> sign -> end
        return "{tenant} {case_id}"
"""


async def test_a_case_its_parts_and_its_forks_have_one_tenant(project: Project) -> None:
    path = project.write(FAMILY, WHOSE)

    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        case = await engine.start("order", case_id="A1", tenant="acme")
        result = await case.result()
        await engine.start("order", case_id="A2")
        fork = await engine.fork("A1", at=0, new_id="A3")
        await fork.result()

        assert (["acme", "acme"], ["acme", "acme"]) == (result, await fork.result())
        assert ("acme", "acme") == (case.tenant, (await engine.show("A1")).tenant)
        found = await engine.cases(tenant="acme")
        assert {("A1", ""), ("A3", "")} < {(row.id, row.parent) for row in found}
        assert 4 == len(found)
        assert {"acme"} == {row.tenant for row in found}
        assert "" == (await engine.case("A2")).tenant
        assert () == await engine.verify("A1") + await engine.verify("A3")
    async with Engine.open(project.store) as engine:
        assert "acme" == (await engine.case("A1")).tenant


async def test_a_tenant_outlives_the_process_with_its_unfinished_case(project: Project) -> None:
    source = """
        from handlers use whose
        workflow w() -> str
            task wait
            task ask = whose()
            flow
                start -> wait -> ask -> end
            return ask
        """
    path = project.write(source, WHOSE)
    async with Engine.open(project.store) as engine:
        await engine.deploy(path)
        await engine.start("w", case_id="c", tenant="acme")

    async with Engine.open(project.store) as engine:
        await engine.complete("c", "wait")

        assert "acme" == await (await engine.case("c")).result()


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 256, 7])
async def test_a_name_that_is_none_is_refused(project: Project, name: object) -> None:
    path = project.write(FAMILY, WHOSE)

    async with Engine.open() as engine:
        await engine.deploy(path)
        with pytest.raises(UsageError, match="a tenant is named by"):
            await engine.start("order", tenant=name)  # type: ignore[arg-type]
        longest = await engine.start("order", tenant="x" * 255)

        assert ["x" * 255] * 2 == await longest.result()
        assert 2 == len(await engine.cases())


async def test_parameters_that_are_named_like_a_keyword_stand_in_a_mapping(
    project: Project,
) -> None:
    path = project.write(NAMESAKE)

    async with Engine.open() as engine:
        await engine.deploy(path)
        with pytest.raises(
            UsageError, match=r"start\('lease', {'tenant': \.\.\.}, tenant=\.\.\.\)"
        ):
            await engine.start("lease", tenant="ann")
        with pytest.raises(UsageError, match="has a parameter 'case_id'"):
            await engine.start("lease", {"tenant": "ann"}, case_id="c")
        with pytest.raises(InputError, match="is given by keyword and in the mapping"):
            await engine.start("lease", {"key": 1}, key=2)
        plain = await engine.start("lease", {"tenant": "ann"})
        both = await engine.start(
            "lease", {"tenant": "bob", "case_id": "n"}, tenant="acme", case_id="c"
        )
        for case in (plain, both):
            await engine.complete(case.id, "sign")

        assert ["ann none", "bob n"] == [await plain.result(), await both.result()]
        assert [("", False), ("acme", True)] == [
            (case.tenant, case.id == "c") for case in (plain, both)
        ]
