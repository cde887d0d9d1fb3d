from typing import Any

import pytest

from elevate_api.users.identity import Identity, from_clerk

USER: dict[str, Any] = {
    "id": "user_1",
    "email_addresses": [
        {"id": "idn_2", "email_address": "old@b.test", "verification": {"status": "verified"}},
        {"id": "idn_1", "email_address": "siti@b.test", "verification": {"status": "verified"}},
    ],
    "primary_email_address_id": "idn_1",
    "first_name": "Siti",
    "last_name": "Nurhaliza",
    "username": "siti",
    "image_url": "https://img.clerk.com/1",
}


def test_a_clerk_user_is_read() -> None:
    assert from_clerk(USER) == Identity(
        "user_1", "siti@b.test", True, "Siti Nurhaliza", "siti", "https://img.clerk.com/1"
    )


@pytest.mark.parametrize(
    ("verification", "verified"),
    [({"status": "verified"}, True), ({"status": "unverified"}, False), ({"status": "expired"}, False), (None, True)],
)
def test_an_address_is_verified_unless_clerk_says_otherwise(verification: Any, verified: bool) -> None:
    address = {"id": "idn_1", "email_address": "siti@b.test", "verification": verification}

    assert from_clerk({**USER, "email_addresses": [address]}).email_verified is verified


@pytest.mark.parametrize(
    "changes",
    [
        {"email_addresses": []},
        {"email_addresses": None},
        {"email_addresses": ["text"]},
        {"primary_email_address_id": "idn_9"},
        {"email_addresses": [{"id": "idn_1", "email_address": "nonsense"}]},
    ],
)
def test_without_a_usable_primary_address_there_is_none(changes: dict[str, Any]) -> None:
    identity = from_clerk({**USER, **changes})

    assert (identity.email, identity.email_verified) == (None, False)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [("Siti", None, "Siti"), (None, "Nurhaliza", "Nurhaliza"), (None, None, None), ("", " ", None), (7, [], None)],
)
def test_a_name_is_put_together_from_what_is_there(first: Any, last: Any, name: str | None) -> None:
    assert from_clerk({**USER, "first_name": first, "last_name": last}).name == name


@pytest.mark.parametrize("user_id", [None, "", 7])
def test_somebody_without_an_id_is_nobody(user_id: Any) -> None:
    with pytest.raises(ValueError, match="without an id"):
        from_clerk({**USER, "id": user_id})


def test_what_is_known_is_not_overwritten() -> None:
    token = Identity("user_1", email="new@b.test", email_verified=False)

    whole = token.completed_by(from_clerk(USER))

    assert (whole.email, whole.email_verified) == ("new@b.test", False)
    assert (whole.name, whole.username) == ("Siti Nurhaliza", "siti")
    assert token.completed_by(None) == token
