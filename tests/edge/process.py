"""What the service's process holds, from outside."""

import time
from collections.abc import Callable

import psutil
from tests.support.service import Service

MEBIBYTE = 1024 * 1024


def resident(service: Service) -> float:
    """MiB."""
    found: int = psutil.Process(service.pid).memory_info().rss
    return found / MEBIBYTE


def descriptors(service: Service) -> int:
    found: int = psutil.Process(service.pid).num_fds()
    return found


def becomes(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
