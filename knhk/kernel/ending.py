"""How a case ends, or stands still: completed, cancelled, stuck or failed."""

from __future__ import annotations

from mypy_extensions import i64

from knhk.errors import ExpressionError
from knhk.kernel.cancelling import withdraw_all
from knhk.kernel.data import evaluate
from knhk.kernel.state import CANCELLED, COMPLETED, FAILED, STUCK, SUSPENDED, Failure, State
from knhk.model import ENDED, EXPRESSION_ERROR, ON_FAILURE_PAUSE, Effect


def end(game: State, status: i64) -> None:
    """The case has ended; what is left of a cancelled one is withdrawn (pattern 20)."""
    game._status = status
    game._compensating = False
    if status == CANCELLED:
        withdraw_all(game)
    if status != STUCK:
        game._kept.clear()
    game._effects.append(Effect(ENDED))


def finish(game: State) -> None:
    """Complete the case: evaluate ``return``, then end."""
    net = game._program.net
    if net.returns is not None:
        try:
            game._result = evaluate(game, net.returns, net.result, game._moment())
        except ExpressionError as error:
            fail_case(game, "", EXPRESSION_ERROR, str(error))
            return
    end(game, COMPLETED)


def stop(game: State) -> None:
    """Complete the case now and withdraw all that is left (pattern 43, Explicit Termination)."""
    withdraw_all(game)
    finish(game)


def fail_case(game: State, task: str, error: str, message: str) -> None:
    """Let the case stand still as failed: until it is resumed, or to be undone or cancelled.

    What becomes of it by ``on failure`` is done when the input has been taken up, not in the
    midst of it; in a suspended case, when that is resumed.
    """
    note_failure(game, Failure(task, error, message))
    pauses = game._program.on_failure == ON_FAILURE_PAUSE
    if game._status == FAILED or (game._status == SUSPENDED and not pauses):
        return
    game._status = FAILED
    if pauses:
        game._effects.append(Effect(ENDED))


def note_failure(game: State, failure: Failure) -> None:
    """Keep a failure: the first is the reason, of each further task one is kept too."""
    first = game._failure
    if first is None:
        game._failure = failure
        return
    for other in [first, *game._more_failures]:
        if other.task == failure.task:
            return
    game._more_failures.append(failure)
