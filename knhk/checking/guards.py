"""Which choices the data allow: guards in the theory of integers, reals and texts, by z3.

The exploration takes guards for free. Where that leads to a fault, this module asks the solver
z3 (the extra ``knhk[z3]``) which of the choices can be made at all. Of one split: two guards that
exclude each other are never both true, and one that follows from the others is. Over the whole
case: data that never change (parameters, and variables that no task sets) make two guards that
read only these agree for the whole case. Each way in which such guards can be true or false
together is a *world*, and the net is explored in each of them.

What the solver does not know (calls, texts in order, floating point) is taken for a truth that
may be either, the same one wherever it is written alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, Final

from knhk.model import SPLIT_OR, SPLIT_XOR
from knhk.soundness import Answer, Kind, Problem, Verdict
from knhk_dsl.check.data import names_in
from knhk_dsl.check.workflow import CheckedWorkflow
from knhk_dsl.flow.graph import GraphNode
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import (
    BOOL,
    DATE,
    DATETIME,
    DECIMAL,
    DURATION,
    INT,
    STR,
    Enumeration,
    Type,
)

#: Guards over data that never change, of which worlds are made; with more there is but one world.
FACTS_MAX: Final = 6
#: Branches with guards of one OR-split whose sets are asked for.
BRANCHES_MAX: Final = 8
#: Milliseconds for one question to the solver.
QUESTION_MS: Final = 200
#: Functions whose value changes though their arguments do not.
_RESTLESS: Final = frozenset({"now", "today", "random", "env"})

#: For the number of a node the sets of arrows that its split may take.
Choices = dict[int, list[list[int]]]


def worlds(workflow: CheckedWorkflow, types: Mapping[int, Type]) -> list[Choices]:
    """The choices in every world of a workflow; none without the solver, or without guards.

    ``types`` holds the types of expressions by their identity.
    """
    try:
        import z3
    except ImportError:
        return []
    graph = workflow.graph
    splits = {
        number: node
        for number, node in enumerate([] if graph is None else graph.nodes)
        if node.split in (SPLIT_XOR, SPLIT_OR) and any(arrow.guard for arrow in node.outputs)
    }
    if not splits:
        return []
    theory = _Theory(z3, types)
    facts = _facts(workflow, splits)
    found: list[Choices] = []
    for values in product((True, False), repeat=len(facts)):
        given = [
            theory.formula(guard) if value else z3.Not(theory.formula(guard))
            for guard, value in zip(facts, values, strict=True)
        ]
        if theory.may_be(given):
            choices = {
                number: list(_choices(node, theory, given))
                for number, node in splits.items()
                if sum(arrow.guard is not None for arrow in node.outputs) <= BRANCHES_MAX
            }
            found.append({number: sets for number, sets in choices.items() if sets})
    return found


def combined(plain: Verdict, verdicts: list[Verdict]) -> Verdict:
    """The verdict of a net from those of its worlds; the plain one if a world is not decided.

    What goes wrong in one world can go wrong; a task is dead that is dead in every world.
    """
    if not verdicts or any(each.answer is Answer.unknown for each in verdicts):
        return plain
    problems: dict[tuple[Kind, tuple[int, ...]], Problem] = {}
    dead: list[set[int]] = []
    for verdict in verdicts:
        dead.append({n for each in verdict.problems if each.kind is Kind.dead for n in each.nodes})
        for problem in verdict.problems:
            problems.setdefault((problem.kind, problem.nodes), problem)
    everywhere = set[int].intersection(*dead)
    kept = [
        problem
        for problem in problems.values()
        if problem.kind is not Kind.dead or everywhere.issuperset(problem.nodes)
    ]
    states = sum(verdict.states for verdict in verdicts)
    answer = Answer.unsound if kept else Answer.sound
    return Verdict(answer, tuple(kept), "", states, plain.moves)


def _facts(workflow: CheckedWorkflow, splits: Mapping[int, GraphNode]) -> list[ast.Expr]:
    """The guards that are true or false for the whole case, each once."""
    changing = {
        line.name.name
        for task in workflow.tasks.values()
        for line in task.declaration.attributes
        if isinstance(line, ast.SetsLine)
    }
    constant = {*workflow.parameters, *workflow.variables} - changing
    found: dict[str, ast.Expr] = {}
    for node in splits.values():
        for arrow in node.outputs:
            guard = arrow.guard
            if guard is None or _restless(guard):
                continue
            if all(name.name in constant for name in names_in(guard)):
                found.setdefault(_shape(guard), guard)
    return list(found.values()) if len(found) <= FACTS_MAX else []


def _choices(node: GraphNode, theory: _Theory, given: list[Any]) -> Iterator[list[int]]:
    """The sets of arrows that a split may take under some conditions."""
    formulas = [
        None if arrow.guard is None or arrow.otherwise else theory.formula(arrow.guard)
        for arrow in node.outputs
    ]
    if node.split == SPLIT_XOR:
        before: list[Any] = []
        for at, formula in enumerate(formulas):
            wanted = [] if formula is None else [formula]
            if theory.may_be([*given, *before, *wanted]):
                yield [at]
            if formula is None:
                return
            before.append(theory.no(formula))
        return
    guarded = [at for at, formula in enumerate(formulas) if formula is not None]
    for values in product((True, False), repeat=len(guarded)):
        truth = [
            formulas[at] if value else theory.no(formulas[at])
            for at, value in zip(guarded, values, strict=True)
        ]
        if not theory.may_be([*given, *truth]):
            continue
        chosen = [at for at, value in zip(guarded, values, strict=True) if value]
        yield chosen or [at for at, formula in enumerate(formulas) if formula is None]


class _Theory:
    """Expressions as formulas; equal expressions are one."""

    def __init__(self, z3: Any, types: Mapping[int, Type]) -> None:
        self._z3 = z3
        self._types = types
        self._fresh = 0

    def may_be(self, formulas: list[Any]) -> bool:
        """Whether all may be true at once; yes, where the solver does not know."""
        solver = self._z3.Solver()
        solver.set("timeout", QUESTION_MS)
        solver.add(*formulas)
        return bool(solver.check() != self._z3.unsat)

    def no(self, formula: Any) -> Any:
        """The opposite."""
        return self._z3.Not(formula)

    def formula(self, expr: ast.Expr) -> Any:
        """A condition as a formula."""
        z3 = self._z3
        match expr:
            case ast.Literal(value=bool() as value):
                return z3.BoolVal(value)
            case ast.Unary(operator="not", operand=operand):
                return z3.Not(self.formula(operand))
            case ast.Binary(operator="and", left=left, right=right):
                return z3.And(self.formula(left), self.formula(right))
            case ast.Binary(operator="or", left=left, right=right):
                return z3.Or(self.formula(left), self.formula(right))
            case ast.Comparison():
                return self._comparison(expr)
            case _:
                return self._unknown(expr, z3.Bool)

    def _comparison(self, expr: ast.Comparison) -> Any:
        z3 = self._z3
        sides = [expr.left, *expr.operands]
        parts = []
        for operator, left, right in zip(expr.operators, sides, sides[1:], strict=False):
            one, other = self._value(left), self._value(right)
            act = _COMPARISONS.get(operator)
            ordered = operator not in ("==", "!=")
            text = one is not None and z3.is_string(one)
            if one is None or other is None or act is None or (ordered and text):
                return self._unknown(expr, z3.Bool)
            if one.sort() != other.sort() and not (z3.is_arith(one) and z3.is_arith(other)):
                return self._unknown(expr, z3.Bool)
            parts.append(act(one, other))
        return z3.And(*parts)

    def _value(self, expr: ast.Expr) -> Any:
        """A number, a text or a truth; ``None`` for what the solver does not know."""
        z3 = self._z3
        type_ = self._types.get(id(expr))
        match expr:
            case ast.Literal(value=bool() as value):
                return z3.BoolVal(value)
            case ast.Literal(value=int() as value):
                return z3.IntVal(value)
            case ast.Literal(value=float(), text=text):
                return z3.RealVal(text)
            case ast.Literal(value=str() as value):
                return z3.StringVal(value)
            case ast.DurationLiteral(us=us):
                return z3.IntVal(us)
            case ast.Binary(operator=("+" | "-" | "*") as operator, left=left, right=right):
                one, other = self._value(left), self._value(right)
                if one is None or other is None or not (z3.is_arith(one) and z3.is_arith(other)):
                    return None
                return {"+": one + other, "-": one - other, "*": one * other}[operator]
            case ast.Attribute(name=name) if isinstance(type_, Enumeration):
                return z3.StringVal(name) if name in type_.members else None
            case ast.Name() | ast.Attribute() | ast.Call():
                return self._variable(expr, type_)
            case _:
                return None

    def _variable(self, expr: ast.Expr, type_: Type | None) -> Any:
        z3 = self._z3
        if type_ in (INT, DURATION, DATE, DATETIME):
            return self._unknown(expr, z3.Int)
        if type_ is DECIMAL:
            return self._unknown(expr, z3.Real)
        if type_ is BOOL:
            return self._unknown(expr, z3.Bool)
        if type_ is STR or isinstance(type_, Enumeration):
            return self._unknown(expr, z3.String)
        return None

    def _unknown(self, expr: ast.Expr, make: Callable[[str], Any]) -> Any:
        """A value of its own for everything that is written alike; for what is restless anew."""
        name = _shape(expr)
        if _restless(expr):
            self._fresh += 1
            name += f" {self._fresh}"
        return make(name)


_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def _shape(expr: object) -> str:
    """An expression without its places."""
    if isinstance(expr, ast.SyntaxNode):
        slots = [slot for slot in type(expr).__slots__ if not slot.endswith("span")]
        inner = ", ".join(_shape(getattr(expr, slot)) for slot in slots)
        return f"{type(expr).__name__}({inner})"
    if isinstance(expr, tuple):
        return f"[{', '.join(_shape(part) for part in expr)}]"
    return repr(expr)


def _restless(expr: object) -> bool:
    """Whether an expression may have another value the next time."""
    match expr:
        case ast.Call(callee=ast.Name(name=name)) if name in _RESTLESS:
            return True
        case _:
            pass
    if isinstance(expr, ast.SyntaxNode):
        return any(_restless(getattr(expr, slot)) for slot in type(expr).__slots__)
    return isinstance(expr, tuple) and any(_restless(part) for part in expr)
