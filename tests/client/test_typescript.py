"""The committed TypeScript client is that of this version, compiles strictly, and talks to a running service."""

import difflib
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support import tokens
from tests.support.service import Service, running_service

from elevate_api.cli.openapi import openapi

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "typescript"
MINUTES = 300
"""Seconds; the first run loads the compiler from npm."""

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="node and npm are not installed"
)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`schema.d.ts` of today's document; the committed client is compiled on the way, or the script fails."""
    folder = tmp_path_factory.mktemp("client")
    document, schema = folder / "openapi.json", folder / "schema.d.ts"
    openapi(document)
    command = [ROOT / "scripts" / "client", document, schema]
    with (CLIENT / "package-lock.json").open("rb") as turn:  # another worker of this run, or .ci/run, may be at it
        fcntl.flock(turn, fcntl.LOCK_EX)
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=MINUTES,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return schema.read_text(encoding="utf-8")


def test_the_committed_client_is_what_the_document_says(generated: str) -> None:
    committed = (CLIENT / "schema.d.ts").read_text(encoding="utf-8")
    lines = difflib.unified_diff(committed.splitlines(), generated.splitlines(), "committed", "generated", n=1)
    assert committed == generated, "\n".join(["run scripts/client and commit what it writes", *list(lines)[:40]])


def test_the_lock_file_names_versions_and_no_address() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages.keys() >= {"node_modules/openapi-fetch", "node_modules/openapi-typescript"}
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())


def test_the_client_works_against_a_running_service(
    generated: str, app_dsn: str, owner_dsn: str, tmp_path: Path
) -> None:
    with running_service(Service(app_dsn, owner_dsn, tmp_path / "log")) as service:
        settings = {"PATH": os.environ["PATH"], "API_URL": service.url, "API_TOKEN": tokens.token("user_typescript")}
        done = subprocess.run(
            ["node", CLIENT / "build" / "exercise.js"],  # noqa: S607 - whichever Node there is
            check=False,
            capture_output=True,
            text=True,
            env=settings,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    created = saw["submission"]
    assert (saw["me"], saw["role"]) == ("user_typescript", "PARTICIPANT")
    assert (created["status"], created["version"], saw["listed"]) == ("PENDING", 1, [created["id"]])
    assert saw["location"] == f"/api/submissions/{created['id']}"
    assert saw["again"] == {"status": 409, "words": "not now: LEARN_ALREADY_ACTIVE"}
    assert saw["empty"] == {"status": 422, "words": "/handle"}
    assert saw["missing"] == {"status": 404, "words": "NOT_FOUND"}
    assert saw["stranger"] == {"status": 401, "words": "UNAUTHENTICATED"}
