"""The lines to paste: what could break them in a shell, and who is chosen to play."""

import json
import shlex
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from elevate_api.cli.walkthrough import Cast, choose_cast, lines
from elevate_api.config import AppSettings, ClerkSettings, EmbeddedSettings, MachineSettings, Settings
from elevate_api.kit.db import Database
from elevate_api.points.rules import ActivityCode
from elevate_api.submissions.payloads import PAYLOADS

MakeUser = Callable[..., Awaitable[Any]]


@pytest.fixture
def development(tmp_path: Path) -> Settings:
    return Settings(
        app=AppSettings.model_validate({}),
        clerk=ClerkSettings.model_validate({}),
        embedded=EmbeddedSettings.model_validate({"ELEVATE_DATA_DIR": str(tmp_path)}),
        machines=MachineSettings.model_validate({"CRON_SECRET": "with space & 'quotes'"}),
    )


@pytest.fixture
def script(development: Settings, stage: str) -> list[str]:
    cast = Cast(stage, "user_1", "siti-aminah", "user_2", "user_3", {"name": "Siti"})
    return list(lines(cast, development, "http://127.0.0.1:8000", date(2026, 3, 4)))


@pytest.mark.parametrize("stage", ["EXPLORE", "PRESENT"])
class TestLines:
    def test_nothing_in_them_means_something_to_an_interactive_shell(self, script: list[str]) -> None:
        """`#` is a command to zsh, `!` recalls history in both."""
        assert [line for line in script if line.startswith("#") or "!" in line] == []
        assert [shlex.split(line) for line in script if line] != []  # every quote is closed on its own line

    def test_the_evidence_is_what_the_service_accepts(self, script: list[str], stage: str) -> None:
        submit = next(line for line in script if line.startswith("SUBMISSION="))
        body = json.loads(submit[submit.index("-d '") + 4 : submit.rindex("'")])
        assert body["activityCode"] == stage
        PAYLOADS[ActivityCode(stage)].model_validate(body["payload"])

    def test_a_secret_of_any_shape_is_quoted(self, script: list[str]) -> None:
        line = next(line for line in script if line.startswith("export CRON_SECRET="))
        assert shlex.split(line)[1] == "CRON_SECRET=with space & 'quotes'"


async def cast_of(owner: Database) -> Cast:
    async with owner.session() as session:
        return await choose_cast(session)


async def test_without_a_demo_a_newcomer_plays_and_staff_is_made(owner: Database) -> None:
    cast = await cast_of(owner)
    assert (cast.educator, cast.reviewer, cast.admin) == (
        "user_dev_educator_1", "user_dev_reviewer", "user_dev_admin",
    )  # fmt: skip
    assert await cast_of(owner) == cast


async def test_a_newcomer_who_has_played_makes_room_for_the_next(owner: Database, make_user: MakeUser) -> None:
    await make_user(id="user_dev_educator_1")
    assert (await cast_of(owner)).educator == "user_dev_educator_2"


async def test_an_educator_plays_to_whom_an_approval_still_gives_points(
    owner: Database, make_user: MakeUser, make_submission: Callable[..., Awaitable[Any]]
) -> None:
    done, other = await make_user(id="user_demo_educator_001"), await make_user(id="user_demo_educator_002")
    await make_submission(done, "EXPLORE", "PENDING")
    assert ((await cast_of(owner)).educator, (await cast_of(owner)).stage) == (other.id, "EXPLORE")
    await make_submission(other, "EXPLORE", "APPROVED")
    await make_submission(done, "PRESENT", "PENDING")
    assert ((await cast_of(owner)).educator, (await cast_of(owner)).stage) == (other.id, "PRESENT")


async def test_staff_of_the_demo_who_lost_the_role_is_not_asked(owner: Database, make_user: MakeUser) -> None:
    await make_user("PARTICIPANT", id="user_demo_reviewer_1")
    await make_user("REVIEWER", id="user_demo_reviewer_2")
    assert (await cast_of(owner)).reviewer == "user_demo_reviewer_2"
