"""Types of expressions: every sub-expression gets one, every mistake a diagnostic.

The types are kept beside the tree, by the identity of its nodes;
:mod:`knhk_dsl.expressions.emit` reads them. A literal such as ``3.5`` is a float until a
decimal is needed there: then it is that decimal, exactly. After a mistake the type is
``unknown``, which fits everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from knhk_dsl.expressions.builtin_types import BUILTINS, Builtin, Unfit
from knhk_dsl.expressions.functions import Fault, compile_pattern
from knhk_dsl.expressions.narrowing import path_of, tested
from knhk_dsl.expressions.operators import (
    binary_type,
    comparison_hint,
    element_type,
    operand_hint,
    ordered,
)
from knhk_dsl.names.arguments import CallParameter, CallSignature, bind
from knhk_dsl.names.scope import Scope, Value
from knhk_dsl.report import Report, an, did_you_mean
from knhk_dsl.syntax import ast
from knhk_dsl.values.types import (
    BOOL,
    DECIMAL,
    DURATION,
    FLOAT,
    INT,
    JSON,
    NONE,
    NUMBERS,
    STR,
    UNKNOWN,
    DictOf,
    Enumeration,
    EnumerationName,
    ListOf,
    Maybe,
    Record,
    Scalar,
    Type,
    assignable,
    common,
    comparable,
    is_open,
    without_none,
)

#: Levels of one expression.
EXPRESSION_DEPTH_MAX: Final = 100


class Typer:
    """Gives types to the expressions of one check.

    ``types`` maps the identity of a node to its type. ``read`` collects the names of
    parameters, variables and tasks that some expression reads.
    """

    def __init__(self, report: Report) -> None:
        self.types: dict[int, Type] = {}
        self.read: set[str] = set()
        self._report = report
        self._depth = 0

    # --- entries ------------------------------------------------------------------------

    def check(
        self, expr: ast.Expr, target: Type, scope: Scope, words: str, code: str = "KN301"
    ) -> Type:
        """Types an expression that must fit ``target``; ``words`` name what it is for."""
        type_ = self.infer(expr, scope, target)
        if isinstance(type_, EnumerationName):
            self._report.error(
                "KN215",
                f"`{type_.enumeration}` is an enumeration, not a value",
                expr.span,
                f"name a member: {type_.enumeration}.{type_.enumeration.members[0]}",
            )
            return UNKNOWN
        if assignable(type_, target):
            return type_
        if target is DECIMAL and self._adapts(expr):
            self._adapt(expr)
            return DECIMAL
        if isinstance(type_, Maybe) and assignable(type_.inner, target):
            self._untested(expr, scope)
            return type_
        self._report.error(
            code,
            f"{words} must be {_spell(target)}, not {_spell(type_)}",
            expr.span,
            _fit_hint(type_, target),
        )
        return type_

    def condition(self, expr: ast.Expr, scope: Scope, words: str) -> None:
        """Types an expression that must be true or false."""
        type_ = self.value(expr, scope, BOOL)
        if type_ is not BOOL and not is_open(type_):
            hint = "compare it with something"
            if type_ in NUMBERS:
                hint = "compare it: ... > 0"
            elif type_ is STR or isinstance(type_, (ListOf, DictOf)):
                hint = "compare its length: len(...) > 0"
            elif isinstance(type_, (Record, Scalar)) and isinstance(
                self.types.get(id(expr)), Maybe
            ):
                hint = "compare it: ... != none"
            self._report.error(
                "KN309", f"{words} must be true or false, not {_spell(type_)}", expr.span, hint
            )

    def value(self, expr: ast.Expr, scope: Scope, expected: Type = UNKNOWN) -> Type:
        """Types an expression that must be there, not none."""
        type_ = self.infer(expr, scope, expected)
        if isinstance(type_, Maybe):
            self._untested(expr, scope)
            return type_.inner
        if type_ is NONE:
            self._report.error("KN303", "none cannot be used here", expr.span, "give a value")
            return UNKNOWN
        if isinstance(type_, EnumerationName):
            return self.check(expr, JSON, scope, "")
        return type_

    def infer(self, expr: ast.Expr, scope: Scope, expected: Type = UNKNOWN) -> Type:
        """The type of an expression; ``expected`` helps where it does not say itself."""
        self._depth += 1
        try:
            if self._depth > EXPRESSION_DEPTH_MAX:
                if self._depth == EXPRESSION_DEPTH_MAX + 1:
                    self._report.error(
                        "KN313",
                        f"an expression is at most {EXPRESSION_DEPTH_MAX} levels deep",
                        expr.span,
                        "compute a part of it in a variable",
                    )
                return UNKNOWN
            type_ = self._METHODS[type(expr)](self, expr, scope, expected)
        finally:
            self._depth -= 1
        self.types[id(expr)] = type_
        return type_

    # --- literals and displays ----------------------------------------------------------

    def _literal(self, expr: ast.Literal, _scope: Scope, expected: Type) -> Type:
        value = expr.value
        if value is None:
            return NONE
        if isinstance(value, bool):
            return BOOL
        if isinstance(value, str):
            return STR
        if without_none(expected) is DECIMAL:
            return DECIMAL
        return INT if isinstance(value, int) else FLOAT

    def _duration(self, _expr: ast.DurationLiteral, _scope: Scope, _expected: Type) -> Type:
        return DURATION

    def _template(self, expr: ast.Template, scope: Scope, _expected: Type) -> Type:
        for part in expr.parts:
            if not isinstance(part, str):
                self.value(part, scope)
        return STR

    def _list(self, expr: ast.ListDisplay, scope: Scope, expected: Type) -> Type:
        expected = without_none(expected)
        wanted = expected.element if isinstance(expected, ListOf) else UNKNOWN
        wanted = JSON if expected is JSON else wanted
        return ListOf(self._merged([(e, self.infer(e, scope, wanted)) for e in expr.elements]))

    def _dict(self, expr: ast.DictDisplay, scope: Scope, expected: Type) -> Type:
        expected = without_none(expected)
        if isinstance(expected, Record) and expected.structural:
            return self._as_record(expr, scope, expected)
        wanted = expected.value if isinstance(expected, DictOf) else UNKNOWN
        wanted = JSON if expected is JSON else wanted
        seen: set[str] = set()
        for key, value in zip(expr.keys, expr.values, strict=True):
            if key in seen:
                self._report.error(
                    "KN206", f"the key `{key}` is there twice", value.span, "remove one of the two"
                )
            seen.add(key)
        return DictOf(self._merged([(v, self.infer(v, scope, wanted)) for v in expr.values]))

    def _as_record(self, expr: ast.DictDisplay, scope: Scope, record: Record) -> Type:
        """``{id: 1}`` where a class of Python is expected, which cannot be named here."""
        arguments = tuple(
            ast.Argument(value.span, key, value)
            for key, value in zip(expr.keys, expr.values, strict=True)
        )
        self._bind(record.name, arguments, _constructor(record), expr, scope)
        return record

    def _merged(self, elements: list[tuple[ast.Expr, Type]]) -> Type:
        merged: Type = UNKNOWN
        for expr, type_ in elements:
            if isinstance(type_, EnumerationName):
                self._not_a_value(expr, type_)
                continue
            merged = common(merged, type_)
        if merged is JSON and {t for _, t in elements} == {FLOAT, DECIMAL}:
            for expr, type_ in elements:
                if type_ is FLOAT and not self._adapts(expr):
                    return JSON
            for expr, type_ in elements:
                if type_ is FLOAT:
                    self._adapt(expr)
            return DECIMAL
        return merged

    def _comprehension(self, expr: ast.Comprehension, scope: Scope, expected: Type) -> Type:
        iterable = self.value(expr.iterable, scope)
        element = element_type(iterable)
        if element is None:
            self._report.error(
                "KN310",
                f"`for {expr.variable} in ...` needs a list, not {_spell(iterable)}",
                expr.iterable.span,
                "give a list, or keys(...) or values(...) of a dictionary",
            )
            element = UNKNOWN
        hidden = scope.find(expr.variable)
        if hidden is not None and hidden.kind != "unknown":
            self._report.error(
                "KN206",
                f"`{expr.variable}` is the name of a {hidden.kind} already",
                expr.variable_span,
                "choose another name for the loop variable",
            )
        inner = scope.with_local(expr.variable, Value(element, "loop variable"))
        if expr.condition is not None:
            self.condition(expr.condition, inner, "the condition of a comprehension")
            inner = inner.with_tested(tested(expr.condition, True))
        expected = without_none(expected)
        wanted = expected.element if isinstance(expected, ListOf) else UNKNOWN
        type_ = self.infer(expr.element, inner, wanted)
        if isinstance(type_, EnumerationName):
            type_ = self._not_a_value(expr.element, type_)
        return ListOf(type_)

    # --- names and parts ----------------------------------------------------------------

    def _name(self, expr: ast.Name, scope: Scope, _expected: Type) -> Type:
        value = scope.find(expr.name)
        if value is not None:
            if expr.name not in scope.local:
                self.read.add(expr.name)
            type_ = value.type
            if value.kind == "task" and expr.name not in scope.certain:
                type_ = type_ if is_open(type_) else Maybe(without_none(type_))
            if isinstance(type_, Maybe) and (expr.name,) in scope.tested:
                return type_.inner
            return type_
        return self._file_name(expr, scope)

    def _file_name(self, expr: ast.Name, scope: Scope) -> Type:
        symbol = scope.file.find(expr.name)
        if symbol is None:
            self._unknown_name(expr, scope)
            return UNKNOWN
        if isinstance(symbol.value, Enumeration):
            return EnumerationName(symbol.value)
        if symbol.kind == "unknown":
            return UNKNOWN
        hints = {
            "record": f"make one: {expr.name}(...)",
            "callable": f"only a task calls it: task t = {expr.name}(...)",
            "connector": f"only a task uses it: task t = {expr.name}.get(...)",
        }
        self._report.error(
            "KN215",
            f"`{expr.name}` is {an(symbol.kind)}, not a value",
            expr.span,
            hints.get(symbol.kind, "use a parameter, a variable or a task's result"),
        )
        return UNKNOWN

    def _unknown_name(self, expr: ast.Name, scope: Scope) -> None:
        if scope.lenient or scope.file.unreadable:
            return
        if expr.name in BUILTINS:
            message, hint = f"`{expr.name}` is a function", f"call it: {expr.name}(...)"
        else:
            message = f"there is no `{expr.name}` here"
            enums = [symbol.name for symbol in scope.file.of_kind("enumeration")]
            hint = did_you_mean(expr.name, [*scope.names(), *enums])
            if expr.name in ("True", "False", "None", "null"):
                hint = f"write {expr.name.lower().replace('null', 'none')}"
        self._report.error("KN205", message, expr.span, hint)

    def _attribute(self, expr: ast.Attribute, scope: Scope, _expected: Type) -> Type:
        owner = self.infer(expr.value, scope)
        if isinstance(owner, EnumerationName):
            enumeration = owner.enumeration
            if expr.name not in enumeration.members:
                hint = did_you_mean(expr.name, enumeration.members)
                message = f"the enumeration {enumeration} has no member `{expr.name}`"
                self._report.error("KN304", message, expr.name_span, hint)
                return UNKNOWN
            return enumeration
        if isinstance(owner, Maybe):
            self._untested(expr.value, scope)
            owner = owner.inner
        if is_open(owner):
            return owner
        type_ = self._field(expr, owner)
        if isinstance(type_, Maybe) and path_of(expr) in scope.tested:
            return type_.inner
        return type_

    def _field(self, expr: ast.Attribute, owner: Type) -> Type:
        if isinstance(owner, Record):
            field = owner.fields.get(expr.name)
            if field is not None:
                return field.type
            hint = did_you_mean(expr.name, owner.fields)
            self._report.error("KN304", f"{owner} has no field `{expr.name}`", expr.name_span, hint)
            return UNKNOWN
        hint = "only records have fields"
        if isinstance(owner, DictOf):
            hint = f'write ["{expr.name}"]'
        elif isinstance(owner, ListOf):
            hint = f"take one element: [0].{expr.name}, or [x.{expr.name} for x in ...]"
        self._report.error(
            "KN304", f"{_spell(owner)} has no field `{expr.name}`", expr.name_span, hint
        )
        return UNKNOWN

    def _index(self, expr: ast.Index, scope: Scope, _expected: Type) -> Type:
        owner = self.value(expr.value, scope)
        if isinstance(owner, DictOf):
            self.check(expr.index, STR, scope, "the key of a dictionary", "KN302")
            return owner.value
        if isinstance(owner, ListOf) or owner is STR:
            self.check(expr.index, INT, scope, "the index", "KN302")
            return owner.element if isinstance(owner, ListOf) else STR
        self.value(expr.index, scope)
        if not is_open(owner):
            self._report.error(
                "KN310",
                f"{_spell(owner)} has no elements",
                expr.value.span,
                "only lists, texts and dictionaries are indexed",
            )
            return UNKNOWN
        return owner

    # --- operators ----------------------------------------------------------------------

    def _unary(self, expr: ast.Unary, scope: Scope, expected: Type) -> Type:
        if expr.operator == "not":
            self.condition(expr.operand, scope, "what `not` turns round")
            return BOOL
        type_ = self.value(expr.operand, scope, expected)
        if type_ in NUMBERS or type_ is DURATION or is_open(type_):
            return type_
        self._report.error(
            "KN302", f"`{expr.operator}` does not take {_spell(type_)}", expr.span, ""
        )
        return UNKNOWN

    def _binary(self, expr: ast.Binary, scope: Scope, expected: Type) -> Type:
        operator = expr.operator
        if operator in ("and", "or"):
            words = f"what stands beside `{operator}`"
            self.condition(expr.left, scope, words)
            right = scope.with_tested(tested(expr.left, operator == "and"))
            self.condition(expr.right, right, words)
            return BOOL
        left = self.value(expr.left, scope, expected)
        right_type = self.value(expr.right, scope, expected if operator != "**" else UNKNOWN)
        if DURATION in (left, right_type) and DECIMAL in (left, right_type):
            # A decimal is wanted of a quotient of durations; its literals are not decimals.
            left, right_type = self.value(expr.left, scope), self.value(expr.right, scope)
        left, right_type = self._settle(expr.left, left, expr.right, right_type)
        type_ = binary_type(operator, left, right_type)
        if type_ is None:
            self._report.error(
                "KN302",
                f"`{operator}` does not take {_spell(left)} and {_spell(right_type)}",
                expr.span,
                operand_hint(operator, left, right_type),
            )
            return UNKNOWN
        return type_

    def _comparison(self, expr: ast.Comparison, scope: Scope, _expected: Type) -> Type:
        left_expr, left = expr.left, self.infer(expr.left, scope)
        for operator, right_expr in zip(expr.operators, expr.operands, strict=True):
            right = self.infer(right_expr, scope, without_none(left))
            left, right = self._settle(left_expr, left, right_expr, right)
            if operator in ("in", "not in"):
                self._contained(left_expr, left, right_expr, right, scope)
            elif operator in ("==", "!="):
                self._equated(expr, left_expr, left, right_expr, right)
            else:
                self._compared(expr, operator, (left_expr, left), (right_expr, right), scope)
            left_expr, left = right_expr, right
        return BOOL

    def _contained(
        self, item_expr: ast.Expr, item: Type, values_expr: ast.Expr, values: Type, scope: Scope
    ) -> None:
        if isinstance(values, Maybe):
            self._untested(values_expr, scope)
            values = values.inner
        if is_open(values):
            return
        element = STR if values is STR else element_type(values)
        if element is None:
            self._report.error(
                "KN310",
                f"`in` needs a list, a text or a dictionary, not {_spell(values)}",
                values_expr.span,
                "",
            )
        elif element is DECIMAL and self._adapts(item_expr):
            self._adapt(item_expr)
        elif not comparable(item, element):
            self._report.error(
                "KN312",
                f"{_spell(item)} is never in {_spell(values)}",
                item_expr.span,
                comparison_hint(item, element),
            )

    def _equated(
        self, expr: ast.Expr, left_expr: ast.Expr, left: Type, right_expr: ast.Expr, right: Type
    ) -> None:
        for operand, type_ in ((left_expr, left), (right_expr, right)):
            if isinstance(type_, EnumerationName):
                self._not_a_value(operand, type_)
                return
        if not comparable(left, right):
            self._report.error(
                "KN312",
                f"{_spell(left)} and {_spell(right)} are never equal",
                expr.span,
                comparison_hint(left, right),
            )

    def _compared(
        self,
        expr: ast.Expr,
        operator: str,
        left: tuple[ast.Expr, Type],
        right: tuple[ast.Expr, Type],
        scope: Scope,
    ) -> None:
        types: list[Type] = []
        for operand, found in (left, right):
            type_ = without_none(found)
            if isinstance(found, Maybe):
                self._untested(operand, scope)
            elif found is NONE:
                hint = "write == none or != none"
                self._report.error("KN302", f"`{operator}` does not take none", operand.span, hint)
                type_ = UNKNOWN
            elif isinstance(found, EnumerationName):
                type_ = self._not_a_value(operand, found)
            types.append(type_)
        if not ordered(types[0], types[1]):
            self._report.error(
                "KN302",
                f"`{operator}` does not take {_spell(types[0])} and {_spell(types[1])}",
                expr.span,
                operand_hint(operator, types[0], types[1]),
            )

    def _conditional(self, expr: ast.Conditional, scope: Scope, expected: Type) -> Type:
        self.condition(expr.test, scope, "the condition of `if`")
        value = self.infer(expr.value, scope.with_tested(tested(expr.test, True)), expected)
        other = self.infer(expr.other, scope.with_tested(tested(expr.test, False)), expected)
        return self._merged([(expr.value, value), (expr.other, other)])

    # --- calls --------------------------------------------------------------------------

    def _call(self, expr: ast.Call, scope: Scope, expected: Type) -> Type:
        if not isinstance(expr.callee, ast.Name):
            return self._no_call(expr, scope)
        name = expr.callee.name
        symbol = scope.file.symbols.get(name)
        if symbol is not None and isinstance(symbol.value, Record):
            scope.file.used.add(name)
            self._bind(name, expr.arguments, _constructor(symbol.value), expr, scope)
            return symbol.value
        builtin = BUILTINS.get(name)
        if builtin is not None:
            return self._builtin(builtin, expr, scope, expected)
        for argument in expr.arguments:
            self.infer(argument.value, scope)
        if symbol is not None or scope.find(name) is not None:
            if symbol is not None:
                scope.file.used.add(name)
            if symbol is not None and symbol.kind == "unknown":
                return UNKNOWN
            kind = symbol.kind if symbol is not None else "value"
            only = f"only a task calls it: task t = {name}(...)"
            self._report.error(
                "KN305",
                f"`{name}` is {an(kind)} and cannot be called in an expression",
                expr.callee.span,
                only if kind in ("callable", "workflow") else "",
            )
        elif not scope.lenient and not scope.file.unreadable:
            records = [symbol.name for symbol in scope.file.of_kind("record")]
            self._report.error(
                "KN305",
                f"there is no function `{name}`",
                expr.callee.span,
                did_you_mean(name, [*BUILTINS, *records]),
            )
        return UNKNOWN

    def _no_call(self, expr: ast.Call, scope: Scope) -> Type:
        for argument in expr.arguments:
            self.infer(argument.value, scope)
        if scope.lenient:
            return UNKNOWN
        hint = "only built-in functions and records are called in an expression"
        if isinstance(expr.callee, ast.Attribute):
            hint = f"values have no methods: use a built-in function such as {_method_hint(expr)}"
            if isinstance(expr.callee.value, ast.Name):
                symbol = scope.file.symbols.get(expr.callee.value.name)
                if symbol is not None and symbol.kind == "connector":
                    scope.file.used.add(symbol.name)
                    hint = "let a task do it: task t = ..., and use the name of the task here"
        self._report.error("KN305", "this cannot be called", expr.callee.span, hint)
        return UNKNOWN

    def _builtin(self, builtin: Builtin, expr: ast.Call, scope: Scope, expected: Type) -> Type:
        self._check_place(builtin, expr, scope)
        arguments = self._placed(builtin, expr)
        if arguments is None:
            for argument in expr.arguments:
                self.infer(argument.value, scope)
            return UNKNOWN
        types: list[Type] = []
        wanted = expected if builtin.name in ("coalesce", "min", "max", "abs", "round") else UNKNOWN
        for placed in arguments:
            if builtin.takes_none:
                type_ = self.infer(placed, scope, wanted)
                if isinstance(type_, EnumerationName):
                    type_ = self._not_a_value(placed, type_)
            else:
                type_ = self.value(placed, scope, wanted)
            types.append(type_)
        self._adapt_all(builtin, arguments, types)
        try:
            result = builtin.result(types)
        except Unfit as problem:
            self._report.error(
                "KN308",
                f"`{builtin.name}` needs {problem.needs}, not {_spell(types[problem.position])}",
                arguments[problem.position].span,
                "",
            )
            return UNKNOWN
        self._check_literals(builtin, arguments)
        return result

    def _check_place(self, builtin: Builtin, expr: ast.Call, scope: Scope) -> None:
        if builtin.place == "outside" and scope.place == "sub-case":
            self._report.error(
                "KN311",
                f"`{builtin.name}` may not stand in the arguments of a workflow, which are kept",
                expr.span,
                "ask for it where it is needed: in the arguments of the task that does the work",
            )
        elif builtin.place == "outside" and scope.place == "compensation":
            self._report.error(
                "KN311",
                f"`{builtin.name}` may not stand in `compensate with`, whose arguments are kept",
                expr.span,
                "let the callee ask for it, or a connector's settings",
            )
        elif builtin.place == "outside" and scope.place not in ("outside", "settings"):
            self._report.error(
                "KN311",
                f"`{builtin.name}` may only stand in a connector's settings and a task's arguments",
                expr.span,
                "give it as a parameter: a replay must give the same case again",
            )
        if builtin.place == "moment" and scope.place == "constant":
            self._report.error(
                "KN311",
                f"`{builtin.name}` may not stand in the default of a field",
                expr.span,
                "compute it in a variable of the workflow",
            )

    def _placed(self, builtin: Builtin, expr: ast.Call) -> list[ast.Expr] | None:
        """The arguments in the order of the function; ``None`` if they do not fit."""
        by_name: dict[str, ast.Expr] = {}
        placed: list[ast.Expr] = []
        what = f"`{builtin.name}`"
        for argument in expr.arguments:
            if not argument.name and (builtin.many or len(placed) < len(builtin.arguments)):
                placed.append(argument.value)
            elif argument.name in builtin.arguments[len(placed) :] and argument.name not in by_name:
                by_name[argument.name] = argument.value
            else:
                given = f"`{argument.name}`" if argument.name else "so many arguments"
                takes = ", ".join(builtin.arguments) or "none"
                self._report.error(
                    "KN307", f"{what} does not take {given}", argument.span, f"it takes: {takes}"
                )
                return None
        for name in builtin.arguments[len(placed) :]:
            if name not in by_name:
                break
            placed.append(by_name.pop(name))
        if len(placed) < builtin.required or by_name:
            missing = builtin.arguments[min(len(placed), len(builtin.arguments) - 1)]
            self._report.error(
                "KN306", f"{what} needs `{missing}`", expr.span, f"add it: {missing}"
            )
            return None
        return placed

    def _adapt_all(self, builtin: Builtin, arguments: list[ast.Expr], types: list[Type]) -> None:
        """``max(total, 0.5)`` with a decimal total: the literal is a decimal too."""
        if builtin.name not in ("min", "max", "coalesce", "sum"):
            return
        kinds = {without_none(type_) for type_ in types}
        if DECIMAL not in kinds and ListOf(DECIMAL) not in kinds:
            return
        for position, argument in enumerate(arguments):
            if types[position] is FLOAT and self._adapts(argument):
                self._adapt(argument)
                types[position] = DECIMAL

    def _check_literals(self, builtin: Builtin, arguments: list[ast.Expr]) -> None:
        pattern = arguments[1] if builtin.name == "matches" else None
        if isinstance(pattern, ast.Literal) and isinstance(pattern.value, str):
            try:
                compile_pattern(pattern.value)
            except Fault as problem:
                self._report.error("KN314", str(problem), pattern.span, "mend the pattern")

    def _bind(
        self,
        what: str,
        arguments: tuple[ast.Argument, ...],
        signature: CallSignature,
        node: ast.SyntaxNode,
        scope: Scope,
    ) -> None:
        def infer(expr: ast.Expr, type_: Type, words: str, code: str) -> None:
            self.check(expr, type_, scope, words, code)

        bind(f"`{what}`", arguments, signature, node.span, self._report, infer)

    # --- help ---------------------------------------------------------------------------

    def _settle(
        self, left_expr: ast.Expr, left: Type, right_expr: ast.Expr, right: Type
    ) -> tuple[Type, Type]:
        """Makes a float literal beside a decimal a decimal."""
        if without_none(left) is DECIMAL and right is FLOAT and self._adapts(right_expr):
            self._adapt(right_expr)
            return left, DECIMAL
        if without_none(right) is DECIMAL and left is FLOAT and self._adapts(left_expr):
            self._adapt(left_expr)
            return DECIMAL, right
        return left, right

    def _adapts(self, expr: ast.Expr) -> bool:
        """Whether an expression of type float is made of literals only."""
        match expr:
            case ast.Literal():
                return isinstance(expr.value, (int, float)) and not isinstance(expr.value, bool)
            case ast.Unary():
                return expr.operator != "not" and self._adapts(expr.operand)
            case ast.Binary():
                inside = expr.operator in ("+", "-", "*", "/")
                return inside and self._adapts(expr.left) and self._adapts(expr.right)
            case ast.Conditional():
                return self._adapts(expr.value) and self._adapts(expr.other)
            case _:
                return False

    def _adapt(self, expr: ast.Expr) -> None:
        """Makes an expression of literals a decimal."""
        self.types[id(expr)] = DECIMAL
        match expr:
            case ast.Unary():
                self._adapt(expr.operand)
            case ast.Binary():
                self._adapt(expr.left)
                self._adapt(expr.right)
            case ast.Conditional():
                self._adapt(expr.value)
                self._adapt(expr.other)
            case _:
                pass

    def _untested(self, expr: ast.Expr, scope: Scope) -> None:
        path = path_of(expr)
        value = scope.find(path[0]) if path is not None and len(path) == 1 else None
        shown = f"`{'.'.join(path)}`" if path is not None else "this value"
        message = f"{shown} may be none here"
        if value is not None and value.kind == "task":
            message = f"the task {shown} may not have run here, so that its result may be none"
        test = ".".join(path) if path is not None else "x"
        self._report.error(
            "KN303",
            message,
            expr.span,
            f"test it first: ... if {test} != none else ..., or use coalesce(...)",
        )

    def _not_a_value(self, expr: ast.Expr, type_: EnumerationName) -> Type:
        self._report.error(
            "KN215",
            f"`{type_.enumeration}` is an enumeration, not a value",
            expr.span,
            f"name a member: {type_.enumeration}.{type_.enumeration.members[0]}",
        )
        return UNKNOWN

    _METHODS: ClassVar[Mapping[type, Callable[..., Type]]] = {
        ast.Literal: _literal,
        ast.DurationLiteral: _duration,
        ast.Template: _template,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.Index: _index,
        ast.Call: _call,
        ast.Unary: _unary,
        ast.Binary: _binary,
        ast.Comparison: _comparison,
        ast.Conditional: _conditional,
        ast.ListDisplay: _list,
        ast.DictDisplay: _dict,
        ast.Comprehension: _comprehension,
    }


def _constructor(record: Record) -> CallSignature:
    return CallSignature(
        tuple(
            CallParameter(name, field.type, field.required, keyword_only=True)
            for name, field in record.fields.items()
        ),
        record,
    )


def _spell(type_: Type) -> str:
    if isinstance(type_, (Record, Enumeration)):
        return f"{'an' if type_.name[:1] in 'AEIOU' else 'a'} {type_}"
    if isinstance(type_, Maybe):
        return f"{_spell(type_.inner)} or none"
    if type_ is NONE:
        return "none"
    if isinstance(type_, Scalar):
        return f"{'an' if type_.name[:1] in 'aeiou' else 'a'} {type_}"
    return f"a {type_}"


def _fit_hint(type_: Type, target: Type) -> str:
    inner = without_none(target)
    if isinstance(inner, Enumeration):
        return f"name a member: {inner.name}.{inner.members[0]}"
    if isinstance(inner, Record) and isinstance(type_, DictOf):
        return f"write {inner.name}(...)"
    if inner is DURATION and type_ in NUMBERS:
        return "write a unit: 2s, 5m, 1d"
    if type_ is NONE:
        return f"make the type {target}?"
    if isinstance(inner, ListOf) and assignable(type_, inner.element):
        return "write [...] around it"
    if isinstance(inner, Scalar) and inner.name in BUILTINS and isinstance(type_, Scalar):
        return f"convert it: {inner.name}(...)"
    return ""


def _method_hint(expr: ast.Call) -> str:
    assert isinstance(expr.callee, ast.Attribute)
    name = {"items": "keys", "strip": "split", "get": "coalesce", "append": "[...] + [...]"}
    found = name.get(expr.callee.name, expr.callee.name if expr.callee.name in BUILTINS else "len")
    return f"{found}(...)" if found.isidentifier() else found
