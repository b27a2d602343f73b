"""Diagnostics to be rendered, made by hand."""

from __future__ import annotations

from typing import Final

from knhk.errors import WARNING, Diagnostic, Run, Span, Step
from knhk_dsl.silencing import Silenced

#: Work of several tasks at once, a choice, a failure, and tokens that are left.
RUN: Final = Run(
    (
        Step("receive"),
        Step("charge", "starts"),
        Step("check", choice=("pack", "label")),
        Step("ship", "starts"),
        Step("charge", "fails with PaymentDeclined", ("refuse",)),
        Step("refuse"),
    ),
    (("checked", 1), ("tray", 2)),
    ("ship",),
)
STUCK: Final = Diagnostic(
    "KN701",
    "the case can get stuck: `deliver` waits for `drive`",
    Span("orders/big order.knhk", 7, 9, 7, 24),
    "join with one(...) what one(...) has parted",
    related=((Span("orders/big order.knhk", 6, 18, 6, 60), "here it parts"),),
    run=RUN,
)
UNUSED: Final = Diagnostic(
    "KN212", "the variable `rest` is never used", Span("b.knhk", 3, 9, 3, 13), severity=WARNING
)
#: A place on several lines.
LONG: Final = Diagnostic("KN301", "100% wrong,\nsays: one", Span("c,d:e.knhk", 1, 2, 3, 4))
SILENCED: Final = Silenced(UNUSED, "the next version fills it")
