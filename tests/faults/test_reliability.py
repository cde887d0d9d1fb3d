"""Every fault of docs/reliability.md, a few times each; `scripts/reliability` does it at length."""

import os

import pytest
from tests.faults import report
from tests.faults.scenarios import SCENARIOS
from tests.faults.worlds import NotHereError, prepared

ALWAYS = ("cut", "truncate", "stall", "answers", "disk", "clock")
"""Those that nothing else in a run tries: tests/crash kills both processes, test_time_limits freezes PostgreSQL,
tests/attachments and tests/auth take the store and the keys away. The rest runs with --all."""
NAMES = tuple(SCENARIOS) if os.environ.get("ELEVATE_TEST_ALL") else ALWAYS


@pytest.mark.parametrize("kind", sorted({SCENARIOS[name].world for name in NAMES}))
def test_nothing_acknowledged_is_lost_and_nothing_is_half_done(kind: str) -> None:
    names = [name for name in NAMES if SCENARIOS[name].world == kind]
    try:
        with prepared(kind) as world_of:
            rows, seed = report.in_one_loop(world_of, names, quick=True)
    except NotHereError as reason:
        pytest.skip(str(reason))
    for row in rows:
        assert row.times > 0, row
        assert row.acknowledged > 0, row
        assert (row.lost, dict(row.wrong)) == (0, {}), f"{row}, seed {seed}"


def test_the_page_holds_a_line_for_every_fault_and_none_lost() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    table = page.split(report.BEGIN)[1].split(report.END)[0]
    lines = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")]
        for line in table.splitlines()
        if "|" in line
    }
    for scenario in SCENARIOS.values():
        cells = lines[scenario.title]
        assert int(cells[2]) > 0, cells
        assert (cells[4], cells[5]) == ("0", "0"), cells
