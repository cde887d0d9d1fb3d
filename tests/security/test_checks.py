"""The audit of dependencies in scripts/lib/checks.py: what is known fails, an index that is silent does not."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOUND = {"name": "a", "version": "1", "vulns": []}
VULNERABLE = {"name": "b", "version": "2", "vulns": [{"id": "GHSA-xxxx"}]}
UNTOLD = {"name": "c", "skip_reason": "not found"}


@pytest.fixture
def checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("checks", ROOT / "scripts" / "lib" / "checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("packages", "passes", "said"),
    [
        ([SOUND, SOUND], True, "nothing is known against 2 packages"),
        ([SOUND, VULNERABLE], False, "b 2 is known to be vulnerable: GHSA-xxxx"),
        ([VULNERABLE, UNTOLD], False, "not audited: 1 of 2 packages"),
        ([UNTOLD, UNTOLD], True, "not audited: 2 of 2 packages"),
    ],
)
def test_what_is_known_fails_and_what_is_not_told_is_said(
    checks: ModuleType,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    packages: list[dict[str, Any]],
    passes: bool,
    said: str,
) -> None:
    answer = SimpleNamespace(stdout=json.dumps({"dependencies": packages}))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert checks.audit(Path("bin"), ROOT) is passes
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("stdout", ["", "Traceback", "[]", "{}"])
def test_an_index_out_of_reach_fails_nothing(
    checks: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stdout: str
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=stdout))
    assert checks.audit(Path("bin"), ROOT) is True
    assert "not audited" in capsys.readouterr().out
