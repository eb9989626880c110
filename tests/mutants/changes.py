"""The changes: each is one place of a module's syntax tree that says something else."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
}
_NOT_CHANGED = frozenset({"annotation", "returns", "decorator_list", "bases"})
"""Types and decorators; docstrings are left as well."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one place changed."""

    module: str
    line: int
    before: str
    after: str
    tree: ast.Module


Path = tuple[tuple[str, int | None], ...]
"""The way from a tree's root to a node: a field, and the place in it where it holds a list."""


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Yield *text* changed in one place, for each place and each change that fits it."""
    tree = ast.parse(text)
    for path, node in _places(tree, ()):
        for changed in _changed(node):
            if _shown(changed) == _shown(node):
                continue
            mutated = copy.deepcopy(tree)
            _put(mutated, path, changed)
            ast.fix_missing_locations(mutated)
            yield Mutant(module, getattr(node, "lineno", 0), _shown(node), _shown(changed), mutated)


def _places(node: ast.AST, path: Path) -> Iterator[tuple[Path, ast.AST]]:
    yield path, node
    for field, value in ast.iter_fields(node):
        if field in _NOT_CHANGED:
            continue
        if isinstance(value, ast.AST):
            yield from _places(value, (*path, (field, None)))
        elif isinstance(value, list):
            for place, part in enumerate(value):
                if isinstance(part, ast.AST) and not _is_docstring(part):
                    yield from _places(part, (*path, (field, place)))


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _put(tree: ast.Module, path: Path, changed: ast.AST) -> None:
    parent: ast.AST = tree
    for field, place in path[:-1]:
        held = getattr(parent, field)
        parent = held if place is None else held[place]
    field, place = path[-1]
    if place is None:
        setattr(parent, field, changed)
    else:
        getattr(parent, field)[place] = changed


def _shown(node: ast.AST) -> str:
    """Return a node as text, of statements the first line."""
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).partition("\n")[0]


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in a node's place."""
    for change in _CHANGES:
        yield from change(node)


def _compared(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            operators = [*node.ops]
            operators[place] = _COMPARED[type(operator)]()
            yield ast.Compare(node.left, operators, node.comparators)


def _counted(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and type(node.op) in _COUNTED:
        yield ast.BinOp(node.left, _COUNTED[type(node.op)](), node.right)
    if isinstance(node, ast.AugAssign) and type(node.op) in _COUNTED:
        yield ast.AugAssign(node.target, _COUNTED[type(node.op)](), node.value)
    if isinstance(node, ast.UnaryOp):
        # The sign, or the not, falls away.
        yield node.operand


def _joined(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    if isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)


def _written(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Constant):
        match node.value:
            case bool():
                yield ast.Constant(not node.value)
            case int():
                yield ast.Constant(node.value + 1)
                yield ast.Constant(node.value - 1)
            case str():
                yield ast.Constant(f"{node.value}X")
            case _:
                pass


def _stated(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr()):
            yield ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Expr() | ast.AugAssign() | ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.If():
            yield ast.If(ast.Constant(value=True), node.body, node.orelse)
            yield ast.If(ast.Constant(value=False), node.body, node.orelse)
        case _:
            pass


_CHANGES: tuple[Callable[[ast.AST], Iterator[ast.AST]], ...] = (_compared, _counted, _joined, _written, _stated)
