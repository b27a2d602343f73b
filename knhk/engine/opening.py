"""What a case is begun with: its parameters, apart from what else is said by keyword."""

from __future__ import annotations

from collections.abc import Mapping

from knhk.errors import InputError, Misfit, UsageError
from knhk.module import Workflow

__all__ = ["all_parameters"]


def all_parameters(
    workflow: Workflow,
    values: Mapping[str, object],
    named: Mapping[str, object],
    taken: Mapping[str, str],
) -> Mapping[str, object]:
    """The parameters of a case: those in a mapping, and those given by keyword.

    ``taken`` are the keywords that were given for something else, with what that is. Raises
    :class:`~knhk.errors.UsageError` where such a keyword might have been meant for a parameter,
    and :class:`~knhk.errors.InputError` for what is given twice.
    """
    for keyword, meaning in taken.items():
        is_parameter = any(one.name == keyword for one in workflow.net.parameters)
        if is_parameter and keyword not in values:
            raise UsageError(
                f"workflow {workflow.name!r} has a parameter {keyword!r}, and the keyword {keyword}"
                f" says {meaning}; give the parameter in a mapping:"
                f" start({workflow.name!r}, {{{keyword!r}: ...}}, {keyword}=...)"
            )
    if not values:
        return named
    twice = [
        Misfit(name, "is given by keyword and in the mapping") for name in named if name in values
    ]
    if twice:
        raise InputError(f"workflow {workflow.name!r}", twice)
    return {**values, **named}
