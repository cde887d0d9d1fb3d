"""Every benchmark runs one short round on a little data; what counts is that its own checks hold, never its speed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.catalogue import benchmarks
from benchmarks.data import Dataset, Scale
from benchmarks.lab import Lab

from elevate_api.postgres import ephemeral

SCALE = Scale.parse("2k")
NAMES = tuple(benchmarks())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("benchmarks")
    with ephemeral() as server:
        dataset = Dataset(server, say=lambda _line: None)
        dataset.generate(SCALE)
        with Lab(server, dataset, SCALE, folder, duration=1, quick=True, say=lambda _line: None) as lab:
            yield lab


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_its_checks_hold(lab: Lab, name: str) -> None:
    lab.benchmark = name
    known, checked = len(lab.figures), len(lab.checks)
    benchmarks()[name].function(lab)
    assert len(lab.checks) > checked
    assert all(figure.as_dict()["ratio"] > 0 for figure in lab.figures[known:])
