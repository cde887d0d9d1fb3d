"""A server that is stopped in its tracks: SIGSTOP to every process of it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from elevate_api.postgres import EmbeddedServer


@contextmanager
def frozen(server: EmbeddedServer) -> Iterator[None]:
    """Every process of the server is stopped: it accepts (the kernel does) and never answers."""
    pid = server.status().pid
    assert pid is not None
    parent = psutil.Process(pid)
    processes = [parent, *parent.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()
