import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.kajabi.signature import Credentials, Secrets, sign

BODY = b'{"event": "tag_added"}'
SECRETS = Secrets(tokens=("token-one", "token-two"), shared=("secret-one", "secret-two"))


@pytest.mark.parametrize(
    "given_credentials",
    [
        Credentials(token="token-one"),
        Credentials(token="token-two"),
        Credentials(secret="secret-two"),
        Credentials(signature=sign("secret-one", BODY)),
        Credentials(signature=sign("secret-two", BODY).upper()),
        Credentials(signature=f"sha256={sign('secret-two', BODY)}"),
        Credentials(token="wrong", secret="wrong", signature=sign("secret-one", BODY)),
    ],
)
def test_any_way_and_any_secret_in_use_is_good(given_credentials: Credentials) -> None:
    assert SECRETS.recognise(given_credentials, BODY)


@pytest.mark.parametrize(
    "given_credentials",
    [
        Credentials(),
        Credentials(token="", secret="", signature=""),
        Credentials(token="secret-one"),
        Credentials(token="token-on"),
        Credentials(secret="token-one"),
        Credentials(signature=sign("secret-one", BODY + b" ")),
        Credentials(signature=sign("token-one", BODY)),
        Credentials(signature=sign("secret-one", BODY)[:-1]),
        Credentials(signature="é" * 64),
        Credentials(token="\ud800"),
    ],
)
def test_nothing_else_is(given_credentials: Credentials) -> None:
    assert not SECRETS.recognise(given_credentials, BODY)


@given(st.text(max_size=20), st.text(max_size=70))
def test_without_secrets_nobody_is_recognised(guess: str, signature: str) -> None:
    assert not Secrets().recognise(Credentials(guess, guess, signature), BODY)
    assert not Secrets().recognise(Credentials("", "", sign("", BODY)), BODY)


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "token-one" not in repr(SECRETS)
