"""What no test of behaviour would notice: secrets compared so that the time tells how much of one was right."""

import ast
import re

import pytest
from tests.support.source import Module, modules

SECRET = re.compile(r"secret|token|signature|password|hmac|expected_mac|credential|api_?key", re.IGNORECASE)
HARMLESS = {
    "auth/tokens.py",  # `_TOKEN` is the form of a token
}
"""Files whose comparisons were read and are about no secret's value."""


def comparisons(module: Module) -> list[str]:
    """`==`, `!=` and `in` with something that is called like a secret on either side, sizes and absences apart."""
    found = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops):
            continue
        sides = [side for side in (node.left, *node.comparators) if not isinstance(side, ast.Constant)]
        if len(sides) > 1 and any(_is_secret(side) for side in sides):
            found.append(f"{module.path}:{node.lineno} {ast.unparse(node)}")
    return found


def _is_secret(side: ast.expr) -> bool:
    if isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id in {"len", "set", "type"}:
        return False
    return any(
        SECRET.search(node.id if isinstance(node, ast.Name) else node.attr)
        for node in ast.walk(side)
        if isinstance(node, ast.Name | ast.Attribute)
    )


def test_secrets_are_compared_in_constant_time() -> None:
    found = [line for module in modules() if module.path not in HARMLESS for line in comparisons(module)]
    assert found == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("offered == settings.cron_secret", True),
        ("token in tokens", True),
        ("signature != expected", True),
        ("hmac.compare_digest(offered, secret)", False),
        ("len(secret) < 16", False),
        ("secret is None", False),
        ("kind == 'token'", False),
    ],
)
def test_a_comparison_is_found_in_any_form(line: str, found: bool) -> None:
    assert bool(comparisons(Module("x/y.py", line))) is found


RANDOM = re.compile(r"^\s*(?:import random\b|from random import)", re.MULTILINE)


def test_chance_that_guards_something_is_not_the_predictable_kind() -> None:
    """`random` is for made-up people and for jitter."""
    found = {module.path for module in modules() if RANDOM.search(module.text)}
    assert {path for path in found if not path.startswith("seeds/")} <= {"kajabi/remote.py"}
