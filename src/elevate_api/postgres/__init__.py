"""PostgreSQL as a child process, for development, tests, demos and one-machine installs.

Production has a server of its own (``DATABASE_URL``) and never comes here. The package imports nothing of the product,
is synchronous, and needs a POSIX system. Start with :class:`EmbeddedServer`; tests start with :func:`ephemeral`.
"""

from elevate_api.postgres.binaries import Binaries, find
from elevate_api.postgres.errors import BinariesNotFoundError, EmbeddedPostgresError, StartError, ToolError
from elevate_api.postgres.paths import default_data_dir
from elevate_api.postgres.server import EmbeddedServer, Status, StopMode
from elevate_api.postgres.testing import crash, ephemeral, scratch_dir

__all__ = [
    "Binaries",
    "BinariesNotFoundError",
    "EmbeddedPostgresError",
    "EmbeddedServer",
    "StartError",
    "Status",
    "StopMode",
    "ToolError",
    "crash",
    "default_data_dir",
    "ephemeral",
    "find",
    "scratch_dir",
]
