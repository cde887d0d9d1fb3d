from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from elevate_api.postgres import Binaries, EmbeddedServer, find, scratch_dir


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return find()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not tmp_path: when root runs the tests, the server's account cannot enter that."""
    with scratch_dir() as folder:
        yield folder


@pytest.fixture
def server(data_dir: Path, binaries: Binaries) -> Iterator[EmbeddedServer]:
    """Not started."""
    server = EmbeddedServer(data_dir, fsync=False, binaries=binaries)
    yield server
    server.stop("immediate")
