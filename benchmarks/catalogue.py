"""Which benchmarks there are."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.lab import Lab

MODULES = (
    "reads", "writes", "webhooks", "ledger", "fold", "refresh", "rebuild", "beside", "export", "consistency"
)  # fmt: skip
"""In the order in which they run."""

Function = Callable[["Lab"], None]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`own_data` is for benchmarks that make databases of their own and need nothing of the scale's."""

    name: str
    about: str
    function: Function
    own_data: bool = False


_FOUND: dict[str, Benchmark] = {}


def benchmark(name: str, *, own_data: bool = False) -> Callable[[Function], Function]:
    """Register a benchmark; the first line of its docstring is what ``--list`` says."""

    def register(function: Function) -> Function:
        about = (function.__doc__ or "").strip().split("\n", 1)[0]
        _FOUND[name] = Benchmark(name, about, function, own_data)
        return function

    return register


def benchmarks() -> dict[str, Benchmark]:
    """All of them by name, in their order."""
    for module in MODULES:
        if find_spec(f"benchmarks.{module}") is not None:
            importlib.import_module(f"benchmarks.{module}")
    return dict(_FOUND)
