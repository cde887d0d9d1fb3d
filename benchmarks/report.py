"""From results to Markdown and to the plot: ``python -m benchmarks.report [FOLDER]`` renews docs/performance.

FOLDER holds a JSON file a scale, as ``python -m benchmarks --json FOLDER/SCALE.json`` writes them.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plot import Line, draw

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "docs" / "performance"
_MARKED = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

Document = Mapping[str, Any]

CURVES = (
    ("straightforward view, refreshed", "board up to date after 0.1 % of educators changed", "baseline"),
    ("everything rebuilt", "everything rebuilt from nothing", "ours"),
    ("view over the totals, refreshed", "leaderboard_totals over the totals, refreshed after 0.1 %", "ours"),
    ("fold, 1 % changed", "board up to date after 1 % of educators changed", "ours"),
    ("fold, 0.1 % changed", "board up to date after 0.1 % of educators changed", "ours"),
    ("fold, 100 people changed", "board up to date after 100 educators changed", "ours"),
)
"""What the plot shows: a name, the figure, and whose values."""


def table(document: Document) -> str:
    """The figures of one run, as in the issue's table: what, baseline, ratio, spread, what to reach."""
    lines = [
        "| what | ours | baseline | ratio (quartiles) | to reach | reached |",
        "|---|---:|---|---:|---:|---|",
        *(_row(figure) for figure in document["figures"]),
    ]
    for name, error in document["failed"].items():
        lines.append(f"| {name} | | | | | failed: {error.splitlines()[0][:200]} |")
    return "\n".join(lines) + "\n"


def _row(figure: Mapping[str, Any]) -> str:
    low, high = figure["ratio_quartiles"]
    verdict = {None: "", True: "yes", False: "**no**"}[figure["reached"]]
    baseline = figure["baseline"]
    return (
        f"| {figure['what']} | {amount(figure['ours']['median'], figure['unit'])} "
        f"| {baseline['name']}: {amount(baseline['median'], figure['unit'])} "
        f"| {ratio(figure['ratio'])} ({ratio(low)} to {ratio(high)}) | {figure['reach'] or ''} | {verdict} |"
    )


def processors(document: Document) -> str:
    """Who computed how long, per request, transaction or row, ours / baseline; what takes seconds is one thing."""
    lines = ["| what | server | PostgreSQL | load |", "|---|---:|---:|---:|"]
    for figure in document["figures"]:
        ours, other = figure["ours"]["cpu_us"], figure["baseline"]["cpu_us"]
        cells = (f"{micros(ours[who])} / {micros(other[who])}" for who in ("server", "postgres", "client"))
        lines.append(f"| {figure['what']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def circumstances(document: Document) -> str:
    """Machine, duration, and how quiet it was."""
    machine = document["machine"]
    noise = [figure["noise"] for figure in document["figures"]]
    worst = {name: max((one[name] for one in noise), default=0.0) for name in ("calibration", "steal", "others")}
    checks = len({check["check"] for check in document["checks"]})
    hardware = f"{machine['cores']} x {machine['cpu']}, {machine['memory_gb']:.0f} GB"
    return (
        f"{document['people']:,} people, {document['at'][:10]}, PostgreSQL {document['postgres']}, {hardware}; "
        f"{document['seconds'] / 60:.0f} minutes. At the noisiest figure a fixed piece of work varied by "
        f"{worst['calibration']:.0%}, other machines took {worst['steal']:.1%} of the processors and other processes "
        f"{worst['others']:.0%}. {checks} kinds of answers were compared with the baseline's and agreed.\n"
    )


def amount(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        return amount(1000 * value, "ms")
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 4  # noqa: PLR2004
    return f"{value:,.{digits}f} {unit}"


def micros(value: float) -> str:
    """Microseconds, in the unit that reads well."""
    return amount(value / 1e6, "s") if value >= 1000 else f"{value:.0f} µs"  # noqa: PLR2004


def ratio(value: float) -> str:
    """`0.92`, `12`, and `1/240` for what is far below one."""
    if value >= 10:  # noqa: PLR2004
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.2 else f"1/{1 / value:.0f}"  # noqa: PLR2004


def curves(documents: Sequence[Document]) -> list[Line]:
    """Seconds against people for each design, from whatever scales there are."""
    lines = []
    for name, what, whose in CURVES:
        points = [
            (float(document["people"]), float(figure[whose]["median"]))
            for document in documents
            for figure in document["figures"]
            if figure["what"] == what
        ]
        if points:
            lines.append(Line(name, sorted(points)))
    return lines


def renew(folder: Path = FOLDER, page: Path = PAGE) -> list[str]:
    """Put the results into the page, between its marks, and draw the plot beside them; returns the scales found."""
    documents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}

    def filled(match: re.Match[str]) -> str:
        document = documents.get(match[2])
        if document is None:
            return match[0]
        parts = (circumstances(document), table(document), "Processor time, ours / baseline:\n", processors(document))
        return f"{match[1]}\n" + "\n".join(parts) + f"\n{match[3]}"

    page.write_text(_MARKED.sub(filled, page.read_text(encoding="utf-8")), encoding="utf-8")
    title = "Bringing the board up to date: seconds against people"
    svg = draw(curves(list(documents.values())), title=title, x_label="people", y_label="seconds")
    (folder / "cost.svg").write_text(svg, encoding="utf-8")
    return list(documents)


if __name__ == "__main__":
    found = renew(*(Path(argument) for argument in sys.argv[1:2]))
    print(f"renewed {PAGE.name} and cost.svg from: {', '.join(found)}")
