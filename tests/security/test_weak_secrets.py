"""Production does not start with a secret that somebody could guess."""

import pytest

from elevate_api.config import Settings, SettingsError

GOOD = "kT7vQ2mZx9Lw4RbN8sYc"
ENVIRONMENT = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://a@db.test/elevate",
    "CLERK_ISSUER": "https://clerk.leaps.test",
}
NAMES = ("CRON_SECRET", "METRICS_TOKEN", "KAJABI_WEBHOOK_TOKENS", "KAJABI_WEBHOOK_SECRET")


@pytest.mark.parametrize("name", NAMES)
def test_a_weak_secret_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for key, value in {**ENVIRONMENT, name: GOOD}.items():
        monkeypatch.setenv(key, value)
    assert Settings.load(None).app.production
    for weak in ("short-9kT7vQ2", "a" * 40, "abababababababababab", "please-change-me-9kT7v", "your-cron-token-1234"):
        monkeypatch.setenv(name, weak)
        with pytest.raises(SettingsError, match=name) as caught:
            Settings.load(None)
        assert weak not in str(caught.value)
