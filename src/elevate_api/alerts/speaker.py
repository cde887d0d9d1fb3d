"""Which process of a machine speaks while the database, which otherwise decides that, is gone."""

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

from elevate_api.kit.db import Address


class Speaker:
    """A lock on a file that lives as long as its process. Machines do not know of each other: each speaks once."""

    def __init__(self, address: Address) -> None:
        name = hashlib.sha256(address.url.set(password=None).render_as_string().encode()).hexdigest()[:16]
        self._path = Path(tempfile.gettempdir()) / f"elevate-{os.getuid()}" / f"alerts-{name}.lock"
        self._held: int | None = None

    def is_me(self) -> bool:
        """Take the lock unless another process has it. Where no file can be made, everybody speaks."""
        if self._held is not None:
            return True
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(opened)
            return False
        self._held = opened
        return True

    def step_down(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
