"""What a case that has ended, or stands still, leaves in the journal to say why."""

from __future__ import annotations

from knhk.engine.facts import encode_json
from knhk.engine.version import Version
from knhk.kernel import Case
from knhk.model import CaseStatus

__all__ = ["outcome_of"]


def outcome_of(version: Version, case: Case, bases: object = None) -> bytes:
    """Its result, its failure or its tokens as a JSON object; nothing if none led to its end.

    ``bases`` are the names of the classes above the error of a failed sub-case, by which an
    exception flow of its parent may know it.
    """
    if case.status is CaseStatus.completed:
        return version.facts.encode_result(case.result)
    failure = case.failure
    if case.status is CaseStatus.stuck:
        marked = (f"{name} ({count})" for name, count in case.marking.items())
        return encode_json({"marking": ", ".join(marked)})
    if failure is None:
        return b""
    told: dict[str, object] = {
        "task": failure.task,
        "error": failure.error,
        "message": failure.message,
    }
    if bases is not None:
        told["bases"] = bases
    return encode_json(told)
