"""From results to Markdown and to a plot."""

from collections.abc import Mapping
from typing import Any


def table(document: Mapping[str, Any]) -> str:
    """The figures of one run, as in the issue's table: what, baseline, ratio, spread, what to reach."""
    lines = [
        "| what | ours | baseline | ratio (quartiles) | to reach | reached |",
        "|---|---:|---|---:|---:|---|",
        *(_row(figure) for figure in document["figures"]),
    ]
    lines += [
        f"| {name} | | | | | failed: {error.splitlines()[0][:200]} |" for name, error in document["failed"].items()
    ]
    return "\n".join(lines) + "\n"


def _row(figure: Mapping[str, Any]) -> str:
    low, high = figure["ratio_quartiles"]
    verdict = {None: "", True: "yes", False: "**no**"}[figure["reached"]]
    return (
        f"| {figure['what']} | {amount(figure['ours']['median'], figure['unit'])} "
        f"| {figure['baseline']['name']}: {amount(figure['baseline']['median'], figure['unit'])} "
        f"| {ratio(figure['ratio'])} ({ratio(low)} to {ratio(high)}) | {figure['reach'] or ''} | {verdict} |"
    )


def amount(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 4  # noqa: PLR2004
    return f"{value:,.{digits}f} {unit}"


def ratio(value: float) -> str:
    """`0.92`, `12`, and `1/240` for what is far below one."""
    if value >= 10:  # noqa: PLR2004
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"1/{1 / value:.0f}"  # noqa: PLR2004
