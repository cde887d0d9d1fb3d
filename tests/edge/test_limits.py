"""How many files the service may have open."""

import resource
import subprocess
import sys

SAYS = """
import resource
from elevate_api.cli.listening import take_descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1500))
take_descriptors()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_service_takes_what_the_system_allows() -> None:
    """The usual soft limit, 1,024, is fewer than a thousand clients and a pool need."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 1500
    said = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "(1500, 1500)"
