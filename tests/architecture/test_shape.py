"""Sizes at which a file or a function wants splitting, and where tables are mapped."""

import ast

from tests.support.source import Module, modules

from elevate_api.kit.orm import Base
from elevate_api.models import MODELS

EVERY = modules()
LONGEST_FUNCTION, LONGEST_ROUTER, LONGEST_SERVICE = 40, 200, 300


def long_functions(module: Module) -> list[str]:
    """Lines of code: what documents a function does not count, a blank line does."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documentation = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
            first = documentation.end_lineno if documentation is not None else node.lineno - 1
            length = (node.end_lineno or node.lineno) - (first or 0)
            if length > LONGEST_FUNCTION:
                found.append(f"{module.path}: {node.name} has {length} lines")
    return found


def test_functions_are_short() -> None:
    assert [finding for module in EVERY for finding in long_functions(module)] == []


def test_routers_and_services_are_short() -> None:
    limits = {"service": LONGEST_SERVICE}
    found = [
        f"{module.path} has {len(module.text.splitlines())} lines"
        for module in EVERY
        if len(module.text.splitlines()) > (LONGEST_ROUTER if module.is_router else limits.get(module.stem, 10_000))
    ]
    assert found == []


def test_every_mapped_class_is_known_to_the_whole() -> None:
    """Migrations and checks import `elevate_api.models`: a class that it misses would look like a lost table."""
    assert {mapper.class_ for mapper in Base.registry.mappers} == set(MODELS)


def test_tables_are_mapped_in_models() -> None:
    outside = [
        f"{module.path}: {node.name}"
        for module in EVERY
        if module.stem != "models" and module.package != "kit"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Base" for base in node.bases)
    ]
    assert outside == []


def test_a_long_function_is_found() -> None:
    body = "\n".join(["    pass"] * 41)
    assert long_functions(Module("users/service.py", f"def f():\n{body}\n"))
    documentation = '    """' + "\n    more\n" * 30 + '    """\n    pass\n'
    assert long_functions(Module("users/service.py", f"def f():\n{documentation}")) == []
