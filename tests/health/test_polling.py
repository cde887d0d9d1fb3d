"""Uptime checkers by the thousand."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

POLLS = 1000


async def test_a_thousand_polls_are_hardly_more_than_one_look_a_second(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = app.state.health._probe
    look, looks = probe.look, []

    async def counted() -> Any:
        looks.append(time.monotonic())
        return await look()

    monkeypatch.setattr(probe, "look", counted)
    began = time.monotonic()
    for _ in range(POLLS // 20):
        answers = await asyncio.gather(*(client.head("/health/database") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
    assert len(looks) <= time.monotonic() - began + 1
