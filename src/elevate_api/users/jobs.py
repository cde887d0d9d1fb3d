"""What the scheduler does about people."""

from elevate_api.kit.schedule import JobSpec
from elevate_api.users import erasure

ERASE_SECONDS = 600


def jobs() -> list[JobSpec]:
    return [JobSpec("erase-due", ERASE_SECONDS, erasure.erase_due)]
