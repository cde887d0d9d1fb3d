"""Every benchmark runs one short round on a little data; what counts is that its own checks hold, never its speed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from benchmarks.catalogue import benchmarks
from benchmarks.data import Dataset, Scale
from benchmarks.lab import Lab

from elevate_api.kit.db import Address, Database
from elevate_api.ops.invariants import INVARIANTS
from elevate_api.ops.ledger_check.verify import verify
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


@pytest.fixture
async def generated(lab: Lab) -> AsyncIterator[Database]:
    database = Database(Address.parse(lab.server.dsn(lab.dataset.name(SCALE))), pooled=False)
    yield database
    await database.dispose()


async def test_generated_data_agrees_with_its_causes(generated: Database) -> None:
    async with generated.session() as session:
        findings = await verify(session)
    assert findings.rows > 8 * SCALE.people
    assert not findings.counts


async def test_generated_data_keeps_every_rule(generated: Database) -> None:
    for invariant in INVARIANTS:
        async with generated.session() as session:
            assert (await invariant.find(session)).count == 0, invariant.name


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_its_checks_hold(lab: Lab, name: str) -> None:
    lab.benchmark = name
    known, checked = len(lab.figures), len(lab.checks)
    benchmarks()[name].function(lab)
    assert len(lab.checks) > checked
    assert all(figure.as_dict()["ratio"] > 0 for figure in lab.figures[known:])
