from typing import Any

import pytest

from elevate_api.auth.claims import clean_email, clean_link, clean_text, read_claims


@pytest.mark.parametrize(
    ("payload", "email", "verified"),
    [
        ({}, None, False),
        ({"email": "a@b.test"}, "a@b.test", True),
        ({"email": " a@b.test "}, "a@b.test", True),
        ({"email": "a@b.test", "email_verified": True}, "a@b.test", True),
        ({"email": "a@b.test", "email_verified": False}, "a@b.test", False),
        ({"email": "a@b.test", "email_verified": None}, "a@b.test", False),
        ({"email": "a@b.test", "email_verified": "false"}, "a@b.test", False),
        ({"email": "nobody", "email_verified": True}, None, False),
        ({"email_verified": True}, None, False),
    ],
)
def test_an_address_is_verified_unless_the_token_says_otherwise(
    payload: dict[str, Any], email: str | None, verified: bool
) -> None:
    claims = read_claims(payload, "user_1", 0)

    assert (claims.email, claims.email_verified) == (email, verified)


@pytest.mark.parametrize(
    "value",
    ["", "a", "@b.test", "a@", "a@b@c", "a b@c.test", "a@b.test\n<x>", "a\x00@b.test", "a" * 250 + "@b.test", 7, None],
)
def test_what_cannot_be_an_address_counts_as_absent(value: Any) -> None:
    assert clean_email(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Siti", "Siti"),
        ("  Siti \n\t Nur\u2028haliza ", "Siti Nur haliza"),
        ("a\x00b\x1b[31m", "a b [31m"),
        ("\u202eevil", "evil"),
        ("x" * 300, "x" * 200),
        ("   ", None),
        (7, None),
        (None, None),
    ],
)
def test_names_are_one_line_of_printable_text(value: Any, text: str | None) -> None:
    assert clean_text(value) == text


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("https://img.clerk.com/x", "https://img.clerk.com/x"),
        ("http://img.clerk.com/x", None),
        ("javascript:alert(1)", None),
        ('https://x.test/"onload=', None),
        ("https://x.test/" + "a" * 2048, None),
        (7, None),
    ],
)
def test_only_https_pictures_are_shown(value: Any, link: str | None) -> None:
    assert clean_link(value) == link
