"""The source as syntax trees, for the tests of how it is put together."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2] / "src" / "elevate_api"
PRODUCT = "elevate_api"


@dataclass(frozen=True)
class Module:
    """`path` is relative to the package, as `users/router.py`."""

    path: str
    text: str

    @property
    def package(self) -> str:
        """The product noun: `users`; `app` for a file at the top."""
        return self.path.partition("/")[0].removesuffix(".py")

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    @property
    def is_router(self) -> bool:
        return self.stem == "router" or self.stem.endswith("_router")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def imports(self) -> Iterator[str]:
        """Dotted names, wherever in the file; `from a.b import c` is `a.b.c`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)

    def imports_of_ours(self) -> Iterator[list[str]]:
        """Each as its parts after `elevate_api`: ["users", "guards", "CurrentUser"]."""
        for name in self.imports():
            parts = name.split(".")
            if parts[0] == PRODUCT:
                yield parts[1:]

    def calls(self) -> Iterator[tuple[str, int]]:
        """What is called, and in which line: `commit` for `session.commit()`, `text` for `text(...)`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Attribute):
                    yield f".{node.func.attr}", node.lineno
                elif isinstance(node.func, ast.Name):
                    yield node.func.id, node.lineno

    def strings(self) -> Iterator[tuple[str, int]]:
        """String constants that are no documentation."""
        documentation = {
            id(node.value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                yield node.value, node.lineno


def modules() -> list[Module]:
    """Every file of the package."""
    return [
        Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(ROOT.rglob("*.py"))
    ]
