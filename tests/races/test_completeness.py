"""Whatever changes something is raced, or stands here with the reason why not.

The console's pages are in neither list: what they do they ask of the routes of the API (tests/api/test_guards.py).
"""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tests.api.test_guards import TABLE
from tests.races.operations import DANGEROUS, OPERATIONS

from elevate_api import app as assembly
from elevate_api.cli.commands import app as commands
from elevate_api.config import (
    AppSettings,
    BackupSettings,
    DatabaseSettings,
    KajabiSettings,
    SchedulerSettings,
    Settings,
)
from elevate_api.kit.schedule import JobSpec

_ALERTS = "rows of alerts only, which nothing else here reads or writes"
_FILES = "writes files or other servers, and of the database its own history"
_SCHEMA = "changes schema or roles: not beside a service that writes"
_SAME = "runs the service that a request or job of the table runs: "
NOT_RACED = {
    "DELETE /api/admin/alerts/silences/{silence_id}": _ALERTS,
    "POST /api/admin/alerts/silences": _ALERTS,
    "POST /api/admin/alerts/{alert_id}/acknowledge": _ALERTS,
    "POST /api/webhooks/kajabi": _SAME + "the token in a header instead of the path",
    "PUT /api/storage/{key:path}": "writes an object, no row; `complete a file` looks at it",
    "job alerts": _ALERTS,
    "job backup": _FILES,
    "job daily-health": _SAME + "the cron route",
    "job kajabi-pull": _SAME + "deliveries, once Kajabi has answered",
    "job privacy-clock": "reads, and sets a gauge of its process",
    "job refresh-analytics": _SAME + "the cron route",
    "job retention": _SAME + "the cron route",
    "command alerts ack": _ALERTS,
    "command alerts evaluate": _ALERTS,
    "command alerts silence": _ALERTS,
    "command alerts test": _ALERTS,
    "command analytics fold": _SAME + "its job",
    "command analytics refresh": _SAME + "the cron route",
    "command backup base": _FILES,
    "command backup create": _FILES,
    "command backup drill": _FILES,
    "command backup prune": _FILES,
    "command backup restore": "puts everything back: the service is stopped for it",
    "command check": _SAME + "the cron route of daily-health",
    "command db app-role": _SCHEMA,
    "command db migrate": _SCHEMA,
    "command db pull": _SCHEMA,
    "command db push": _SCHEMA,
    "command db reset": _SCHEMA,
    "command db rollback": _SCHEMA,
    "command db seed": "adds reference data that is missing, before the first request",
    "command deploy post": _SCHEMA,
    "command deploy pre": _SCHEMA,
    "command deploy promote": _SCHEMA,
    "command dev": "starts the service",
    "command emergency features": "a switch in the way of requests, no row of theirs",
    "command emergency idle": "ends sessions: tests/crash and tests/faults do worse",
    "command emergency longrunning": "ends sessions: tests/crash and tests/faults do worse",
    "command emergency index": "changes an index, no row",
    "command import submissions": _SAME + "the rules of a submission, all of a file in one transaction",
    "command import users": "adds people before they come",
    "command kajabi import": _SAME + "deliveries",
    "command kajabi match": _SAME + "its route",
    "command kajabi pull": _SAME + "deliveries",
    "command kajabi replay": _SAME + "its route",
    "command ops kill": "ends sessions: tests/crash and tests/faults do worse",
    "command ops reindex": "changes an index, no row",
    "command ops trends": "adds a row of figures of the server",
    "command points seal": _SAME + "its job",
    "command privacy erase": _SAME + "the erasure of who is due",
    "command retention": _SAME + "the cron route",
    "command serve": "starts the service",
    "command users promote": _SAME + "the route of administrators",
}
READING = frozenset(
    """
    alerts list; analytics status; backup list; backup verify; db check; db status; deploy verify;
    emergency connections; export leaderboard; export ledger; export submissions; export user; export users;
    kajabi events; openapi; ops activity; ops bloat; ops blocking; ops cache; ops connections; ops indexes; ops locks;
    ops outliers; ops report; ops roles; ops sizes; ops slow; ops vacuum; points show; points verify;
    points verify-seal; privacy due; privacy export; review queue; token; users affected; users list; users show
    """.replace("\n", " ").split(";")
)


def _named(prefix: str, group: Any) -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += _named(f"{prefix} {name}", command) if hasattr(command, "commands") else [f"{prefix} {name}"]
    return found


def _requests() -> list[str]:
    return [f"{method} {path}" for method, path in TABLE if method not in ("GET", "HEAD")]


def _raced(name: str) -> bool:
    """An operation does it: of a path `{name}` stands for one part, which another route may not have as its own."""
    words = [operation.does for operation in OPERATIONS.values()]
    pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/ ]+", re.escape(name)))
    others = set(_requests()) - {name}
    return any(word == name or (word not in others and pattern.fullmatch(word)) for word in words)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of all jobs, those included that only settings bring."""
    seen: list[JobSpec] = []
    monkeypatch.setattr(assembly, "Scheduler", lambda _, jobs: seen.extend(jobs))
    settings = Settings(
        app=AppSettings.model_validate({"ENVIRONMENT": "test"}),
        database=DatabaseSettings.model_validate({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}),
        scheduler=SchedulerSettings.model_validate({"SCHEDULER_ENABLED": True}),
        backups=BackupSettings.model_validate({"BACKUP_DIR": str(tmp_path)}),
        kajabi=KajabiSettings.model_validate({"KAJABI_CLIENT_ID": "id", "KAJABI_CLIENT_SECRET": "secret"}),
    )
    assembly.create_app(settings)
    return [f"job {job.name}" for job in seen]


def test_every_operation_that_changes_something_is_raced_or_says_why_not(jobs: list[str]) -> None:
    everything = {*_requests(), *jobs, *_named("command", typer.main.get_command(commands))}
    reading = {f"command {name.strip()}" for name in READING}
    assert reading <= everything
    raced = {name for name in everything if _raced(name)}
    assert everything - raced - reading - NOT_RACED.keys() == set(), "neither raced nor excused"
    assert NOT_RACED.keys() - (everything - raced - reading) == set(), "excused in vain"
    known = {operation.does.split(" ")[0] for operation in OPERATIONS.values()}
    assert known == {"GET", "POST", "PATCH", "DELETE", "job", "command"}


def test_the_dangerous_pairs_are_of_operations_that_exist() -> None:
    assert {name for pair in DANGEROUS for name in pair} <= OPERATIONS.keys()
