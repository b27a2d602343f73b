"""How a case ends, or stands still: completed, cancelled, stuck or failed."""

from __future__ import annotations

from mypy_extensions import i64

from knhk.errors import ExpressionError
from knhk.kernel.cancelling import withdraw_all
from knhk.kernel.data import evaluate
from knhk.kernel.state import CANCELLED, COMPLETED, FAILED, STUCK, Failure, State
from knhk.model import ENDED, EXPRESSION_ERROR, Effect


def end(game: State, status: i64) -> None:
    """The case has ended; what is left of a cancelled one is withdrawn (pattern 20)."""
    game._status = status
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
    """Let the case stand still as failed, until it is resumed."""
    if game._status == FAILED:
        return  # the first failure is the reason; further items that failed are in `_failed`
    game._failure = Failure(task, error, message)
    game._status = FAILED
    game._effects.append(Effect(ENDED))
