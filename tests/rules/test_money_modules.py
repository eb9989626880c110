"""What may never stand in a module that carries money, and what the rules may never know."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import novaproxy

PACKAGE = Path(novaproxy.__file__).parent
MONEY_MODULES = sorted(
    [
        *(PACKAGE / name for name in ("money.py", "catalog/rules.py", "discounts/rules.py")),
        *(PACKAGE / name for name in ("orders/rules.py", "orders/batch.py")),
        *PACKAGE.glob("ledger/*.py"),
    ]
)
PURE_MODULES = (
    "novaproxy.errors",
    "novaproxy.money",
    "novaproxy.catalog.model",
    "novaproxy.catalog.rules",
    "novaproxy.catalog.changes",
    "novaproxy.discounts.rules",
    "novaproxy.orders.model",
    "novaproxy.orders.request",
    "novaproxy.orders.rules",
    "novaproxy.orders.batch",
)
FORBIDDEN = ("asyncpg", "starlette", "uvicorn")


def floats_in(source: str) -> Iterator[str]:
    """Yield what makes or may make a float: a literal, a call of float(), a true division, math's functions."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=float() | complex()):
                yield f"line {node.lineno}: a literal"
            case ast.Call(func=ast.Name(id="float")):
                yield f"line {node.lineno}: a call of float()"
            case ast.BinOp(op=ast.Div()):
                yield f"line {node.lineno}: a true division"
            case ast.AugAssign(op=ast.Div()):
                yield f"line {node.lineno}: a true division"
            case ast.Import(names=names) if any(name.name == "math" for name in names):
                yield f"line {node.lineno}: math is imported"
            case ast.ImportFrom(module="math"):
                yield f"line {node.lineno}: math is imported"
            case _:
                pass


@pytest.mark.parametrize("path", MONEY_MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_float_comes_near_money(path: Path) -> None:
    assert list(floats_in(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source", ["1.0", "1e3", "2j", "float(1)", "1 / 2", "a /= 2", "import math", "from math import e"]
)
def test_the_search_for_floats_finds_them(source: str) -> None:
    assert len(list(floats_in(source))) == 1


@pytest.mark.parametrize("source", ["1", "a // b", "a //= b", "'1.0'", "Decimal('1.5')", "floats(1)", "x: float"])
def test_the_search_for_floats_finds_nothing_else(source: str) -> None:
    assert list(floats_in(source)) == []


def test_the_rules_know_neither_the_database_nor_the_network() -> None:
    # In a process of its own, for here others have imported everything already.
    program = f"import sys, {', '.join(PURE_MODULES)}; print(*(name for name in {FORBIDDEN} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 -- our own interpreter and program
    assert ran.stdout.split() == []


def test_every_module_that_must_be_pure_says_no_clock() -> None:
    for module in PURE_MODULES:
        source = (PACKAGE.parent / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        called = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
        assert called.isdisjoint({"utcnow", "today", "monotonic", "perf_counter", "urandom"}), module
        clocks = [
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "now"
        ]
        assert clocks == [], module
