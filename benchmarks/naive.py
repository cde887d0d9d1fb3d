"""Applications as one would first write them with FastAPI and an ORM: complete, correct, without further thought."""

from collections.abc import Callable
from typing import Any

APPS: dict[str, Callable[[], Any]] = {}
"""By the name that `lab.app` takes."""
