"""Attribute and policy lines: once each, within their limits, and merged with policies.

A task's own lines win over those of the policy that it uses. The delays of a retry are those
of tenacity's wait strategies, so that retries in memory and durable ones agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeVar

from knhk.errors import Span
from knhk.model import Retry
from knhk_dsl.names.namespaces import FileScope
from knhk_dsl.report import Report, an, did_you_mean
from knhk_dsl.syntax import ast

#: Attempts after the first.
RETRY_ATTEMPTS_MAX: Final = 1_000
#: The longest delay and timeout, in microseconds: ten years.
DELAY_US_MAX: Final = 3_650 * 86_400 * 1_000_000
#: Work items of one task at once.
AT_MOST_MAX: Final = 1_000_000

#: Priorities, to both sides of 0.
PRIORITY_MAX: Final = 1_000_000

LINE_WORDS: Final[Mapping[type, str]] = {
    ast.RetryLine: "retry",
    ast.TimeoutLine: "timeout",
    ast.BreakerLine: "breaker",
    ast.AtMostLine: "at most",
    ast.UsesLine: "uses",
    ast.ForEachLine: "for each",
    ast.TimesLine: "times",
    ast.WithoutWaitingLine: "without waiting",
    ast.OpenLine: "open",
    ast.CompleteWhenLine: "complete when",
    ast.CancelsLine: "cancels",
    ast.CompletesLine: "completes",
    ast.WhileLine: "while",
    ast.HoldsLine: "holds",
    ast.SetsLine: "sets",
    ast.CompensateLine: "compensate with",
    ast.OptionalLine: "optional",
    ast.PriorityLine: "priority",
}

Line = ast.TaskAttribute
L = TypeVar("L")


def first(lines: Iterable[Line], kind: type[L]) -> L | None:
    """The first line of a kind."""
    return next((line for line in lines if isinstance(line, kind)), None)


def check_lines(lines: Iterable[Line], report: Report) -> None:
    """Reports lines that are there twice, and numbers out of their limits."""
    seen: dict[type, Span] = {}
    for line in lines:
        kind = type(line)
        if kind is ast.BadStatement or kind is ast.SetsLine:
            continue
        if kind in seen:
            report.error(
                "KN501",
                f"`{LINE_WORDS[kind]}` is given twice",
                line.span,
                "keep one of the two",
                ((seen[kind], "the first one"),),
            )
        seen.setdefault(kind, line.span)
        _check_numbers(line, report)


def _check_numbers(line: Line, report: Report) -> None:
    def limit(holds: bool, message: str, hint: str) -> None:
        if not holds:
            report.error("KN503", message, line.span, hint)

    match line:
        case ast.RetryLine():
            _check_retry(line, report)
        case ast.TimeoutLine():
            words = "a timeout is longer than 0s and at most ten years"
            limit(0 < line.us <= DELAY_US_MAX, words, "write one such as: timeout 10s")
        case ast.AtMostLine():
            words = f"`at most` takes from 1 to {AT_MOST_MAX:,}"
            limit(1 <= line.limit <= AT_MOST_MAX, words, "write one such as: at most 8 at once")
        case ast.BreakerLine():
            holds = min(line.failures, line.window_us, line.cooldown_us) > 0
            limit(holds, "the numbers of a breaker are larger than 0", "write larger ones")
        case ast.PriorityLine():
            words = f"`priority` takes from -{PRIORITY_MAX:,} to {PRIORITY_MAX:,}"
            limit(abs(line.value) <= PRIORITY_MAX, words, "write one such as: priority 5")
        case _:
            pass


def _check_retry(line: ast.RetryLine, report: Report) -> None:
    def limit(holds: bool, message: str, hint: str) -> None:
        if not holds:
            report.error("KN503", message, line.span, hint)

    words = f"`retry` takes from 1 to {RETRY_ATTEMPTS_MAX:,} attempts after the first"
    hint = "leave the line out" if line.attempts == 0 else "write a number such as: retry 5"
    limit(1 <= line.attempts <= RETRY_ATTEMPTS_MAX, words, hint)
    limit(
        line.backoff is None or 1 <= line.backoff <= 1_000,
        "`backoff` takes from 1 to 1,000",
        "write `backoff 2` to double the delay each time",
    )
    limit(
        line.jitter is None or 0 <= line.jitter <= 1,
        "`jitter` takes from 0% to 100%",
        "write a share of the delay such as: jitter 10%",
    )
    for us in (line.every_us, line.up_to_us):
        limit(us is None or us <= DELAY_US_MAX, "a delay is at most ten years", "shorten it")
    if line.every_us is None and (line.backoff is not None or line.up_to_us is not None):
        report.error(
            "KN502",
            "a retry without `every` is made at once, so that there is no delay to change",
            line.span,
            f"write a first delay: retry {line.attempts} every 1s ...",
        )


def check_policy(policy: ast.PolicyDecl, report: Report) -> None:
    """Checks the lines of a named policy."""
    check_lines(policy.lines, report)
    for line in policy.lines:
        if isinstance(line, ast.UsesLine):
            report.error(
                "KN502",
                "a policy does not use another policy",
                line.span,
                "write its lines here",
            )


def policy_lines(uses: ast.UsesLine, scope: FileScope, report: Report) -> tuple[Line, ...]:
    """The lines of the policy that a line names; an unknown one is reported."""
    symbol = scope.find(uses.policy)
    if symbol is not None and isinstance(symbol.value, ast.PolicyDecl):
        return tuple(line for line in symbol.value.lines if not isinstance(line, ast.UsesLine))
    if symbol is not None and symbol.kind == "unknown":
        return (ast.BadStatement(uses.span, ()),)
    if symbol is not None:
        message = f"`{uses.policy}` is {an(symbol.kind)}, not a policy"
        report.error("KN504", message, uses.span, "name one that is declared: policy NAME")
    elif not scope.unreadable:
        known = [policy.name for policy in scope.of_kind("policy")]
        hint = did_you_mean(uses.policy, known) or f"define it: policy {uses.policy}"
        report.error("KN504", f"there is no policy `{uses.policy}`", uses.span, hint)
    return ()


def merged_lines(lines: tuple[Line, ...], scope: FileScope, report: Report) -> tuple[Line, ...]:
    """A task's lines and those of its policy that it does not have itself."""
    uses = first(lines, ast.UsesLine)
    if uses is None:
        return lines
    own = {type(line) for line in lines}
    return lines + tuple(
        line for line in policy_lines(uses, scope, report) if type(line) not in own
    )


def has_timeout(task: ast.TaskDecl, scope: FileScope) -> bool:
    """Whether a task, or its policy, has a timeout (or an unreadable line that may be one)."""
    lines = merged_lines(task.attributes, scope, Report())
    return any(isinstance(line, (ast.TimeoutLine, ast.BadStatement)) for line in lines)


def retry_of(line: ast.RetryLine | None) -> Retry | None:
    """The delays of a retry; one without ``every`` is made at once."""
    if line is None:
        return None
    delays = _delays(line.attempts, line.every_us or 0, line.backoff or 1.0, line.up_to_us)
    return Retry(delays, line.jitter or 0.0)


@lru_cache(maxsize=1024)
def _delays(attempts: int, every_us: int, backoff: float, up_to_us: int | None) -> tuple[int, ...]:
    most = DELAY_US_MAX if up_to_us is None else up_to_us
    if every_us == 0 or backoff == 1.0:
        return (min(every_us, most),) * attempts
    from tenacity import RetryCallState, wait_exponential

    wait = wait_exponential(multiplier=every_us, max=most, exp_base=backoff)
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    delays = []
    for attempt in range(1, attempts + 1):
        state.attempt_number = attempt
        delays.append(round(wait(state)))
    return tuple(delays)
