"""Values, texts, numbers and switches: nodes that know nothing of pictures."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.embedded.nodes.base import Family, NodeContext, NodeOutput, gives

LOGIC = Family()


def _primitive(name: str) -> None:
    """Register a class that gives the value it was given."""

    @LOGIC.node(name)
    def primitive(context: NodeContext, *, value: Any) -> NodeOutput:
        return gives(value)


for _name in ("PrimitiveBoolean", "PrimitiveFloat", "PrimitiveInt", "PrimitiveString", "PrimitiveStringMultiline"):
    _primitive(_name)


@LOGIC.node("SeedNode")
def seed_node(context: NodeContext, *, seed: int) -> NodeOutput:
    """Give a seed."""
    return gives(seed)


def _switched(*, switch: bool, **_: Any) -> list[str]:
    return ["on_true" if switch else "on_false"]


@LOGIC.node("ComfySwitchNode", wanted=_switched)
def switch_node(context: NodeContext, *, switch: bool, on_false: Any = None, on_true: Any = None) -> NodeOutput:
    """Give one of two values; the other one is not even made."""
    return gives(on_true if switch else on_false)


@LOGIC.node("ComfyNotNode")
def not_node(context: NodeContext, *, value: Any) -> NodeOutput:
    """Say no to yes."""
    return gives(not value)


@LOGIC.node("ComfyAndNode")
def and_node(context: NodeContext, *, values: Mapping[str, Any]) -> NodeOutput:
    """Say whether all are true."""
    return gives(all(values.values()))


@LOGIC.node("ComfyOrNode")
def or_node(context: NodeContext, *, values: Mapping[str, Any]) -> NodeOutput:
    """Say whether any is true."""
    return gives(any(values.values()))


@LOGIC.node("ComfyNumberConvert")
def convert_number(context: NodeContext, *, value: Any) -> NodeOutput:
    """Read a number out of whatever it is."""
    return gives(float(value), int(float(value)))


@LOGIC.node("StringConcatenate")
def concatenate(context: NodeContext, *, string_a: str, string_b: str, delimiter: str) -> NodeOutput:
    """Join two texts."""
    return gives(delimiter.join((string_a, string_b)))


@LOGIC.node("StringReplace")
def replace_text(context: NodeContext, *, string: str, find: str, replace: str) -> NodeOutput:
    """Replace a part of a text."""
    return gives(string.replace(find, replace))


@LOGIC.node("StringTrim")
def trim_text(context: NodeContext, *, string: str, mode: str) -> NodeOutput:
    """Cut spaces off a text."""
    trims: Mapping[str, Callable[[str], str]] = {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}
    return gives(trims[mode](string))


@LOGIC.node("StringLength")
def text_length(context: NodeContext, *, string: str) -> NodeOutput:
    """Count the characters of a text."""
    return gives(len(string))


@LOGIC.node("ComfyMathExpression")
def math_expression(context: NodeContext, *, expression: str, values: Mapping[str, Any]) -> NodeOutput:
    """Compute an expression of `a`, `b`, …: as a number, a whole number and a yes or no."""
    result = evaluate(expression, values)
    return gives(float(result), int(result), bool(result))


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "bool": bool,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "float": float,
    "floor": math.floor,
    "int": int,
    "log": math.log,
    "max": max,
    "min": min,
    "pow": math.pow,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
}
_LARGEST_EXPONENT = 4000


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """Compute an arithmetic expression without running it as Python.

    Raises:
        ValueError: something else than numbers, names, operators and the usual functions.
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"cannot read the expression {expression!r}: {error.msg}") from None
    return _value(tree.body, values)


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() as constant):
            return constant
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Name(id="pi"):
            return math.pi
        case ast.BinOp(left=left, op=operation, right=right):
            return _operate(operation, _value(left, values), _value(right, values))
        case ast.UnaryOp(op=operation, operand=operand):
            return _OPERATORS[type(operation)](_value(operand, values))
        case ast.BoolOp(op=operation, values=parts):
            return (all if isinstance(operation, ast.And) else any)(_value(part, values) for part in parts)
        case ast.Compare(left=left, ops=operations, comparators=others):
            return _compare(_value(left, values), operations, [_value(other, values) for other in others])
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return _value(body if _value(test, values) else otherwise, values)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(argument, values) for argument in arguments))
    raise ValueError(f"not allowed in an expression: {ast.unparse(node)}")


def _operate(operation: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(operation, ast.Pow) and abs(right) > _LARGEST_EXPONENT:
        raise ValueError(f"exponent {right} is too large")
    if type(operation) not in _OPERATORS:
        raise ValueError(f"operator {type(operation).__name__} is not allowed in an expression")
    return _OPERATORS[type(operation)](left, right)


def _compare(left: Any, operations: list[ast.cmpop], others: list[Any]) -> bool:
    for operation, right in zip(operations, others, strict=True):
        if type(operation) not in _OPERATORS:
            raise ValueError(f"comparison {type(operation).__name__} is not allowed in an expression")
        if not _OPERATORS[type(operation)](left, right):
            return False
        left = right
    return True
