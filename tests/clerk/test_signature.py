"""Svix's signatures, held against another implementation of the same scheme."""

import base64
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from elevate_api.clerk.signature import Envelope, NotAuthentic, key_of, sign, verify

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
OTHER = "whsec_" + base64.b64encode(b"another of the same size").decode()
KEYS = [key_of(SECRET)]
ID = "msg_2abc"


def ours(headers: tuple[str | None, str | None, str | None], body: bytes, now: float) -> bool:
    try:
        return verify(Envelope(*headers), body, KEYS, now=now) == headers[0]
    except NotAuthentic:
        return False


def theirs(headers: tuple[str | None, str | None, str | None], body: bytes) -> bool:
    """The oracle raises a plain ValueError for what it cannot take apart."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    given_headers = {name: value for name, value in zip(names, headers, strict=True) if value is not None}
    with suppress(WebhookVerificationError, ValueError):
        Webhook(SECRET).verify(body, given_headers, json_parse=False)
        return True
    return False


@given(st.text(max_size=30), st.sampled_from([ID, "msg.1", "x" * 100]))
def test_both_make_the_same_signature(text: str, message_id: str) -> None:
    now = int(time.time())
    body = text.encode("utf-8", "replace")
    made = Webhook(SECRET).sign(message_id, datetime.fromtimestamp(now, UTC), body.decode())
    assert made == sign(message_id, now, body, KEYS[0])


# Every way to spoil a good message, alone and together.
GOOD_BODY = b'{"type": "user.created"}'


@given(
    st.sampled_from([0, -299, 299, -302, 302, 10**6]),
    st.sampled_from(["good", "other key", "other id", "other time", "other body", "cut", "v2", "no comma", "junk", ""]),
    st.sampled_from(["", "v1,AAAA ", "v1a,AAAA ", "v1,AAAA v1,BBBB "]),
    st.sampled_from([None, "id", "timestamp", "signature"]),
)
def test_both_agree_about_every_message(skew: int, spoiled: str, before: str, missing: str | None) -> None:
    now = int(time.time())
    stamp = now + skew
    good = sign(ID, stamp, GOOD_BODY, KEYS[0])
    signature = {
        "good": good,
        "other key": sign(ID, stamp, GOOD_BODY, key_of(OTHER)),
        "other id": sign("msg_other", stamp, GOOD_BODY, KEYS[0]),
        "other time": sign(ID, stamp + 1, GOOD_BODY, KEYS[0]),
        "other body": sign(ID, stamp, GOOD_BODY + b" ", KEYS[0]),
        "cut": good[:-4],
        "v2": good.replace("v1,", "v2,"),
        "no comma": good.replace(",", ""),
        "junk": "v1,%%%",
        "": "",
    }[spoiled]
    headers = (
        None if missing == "id" else ID,
        None if missing == "timestamp" else str(stamp),
        None if missing == "signature" else before + signature,
    )
    expected = spoiled == "good" and abs(skew) <= 300 and missing is None
    assert ours(headers, GOOD_BODY, now) == theirs(headers, GOOD_BODY) == expected


@given(st.text(max_size=40))
def test_whatever_stands_for_a_signature_is_refused_and_nothing_worse(signature: str) -> None:
    now = int(time.time())
    headers = (ID, str(now), signature)
    assert not ours(headers, GOOD_BODY, now)
    with suppress(TypeError):  # the oracle's own: it compares no text that is not ASCII
        assert not theirs(headers, GOOD_BODY)


@pytest.mark.parametrize("stamp", ["now", "-1", "1e9", " 1", "١٢٣", "9" * 400, "0x10", "1.5"])
def test_a_timestamp_is_digits_and_nothing_else(stamp: str) -> None:
    assert not ours((ID, stamp, sign(ID, 1, GOOD_BODY, KEYS[0])), GOOD_BODY, time.time())


def test_one_good_signature_among_bad_ones_is_enough_as_is_any_secret_in_use() -> None:
    now = int(time.time())
    good = sign(ID, now, GOOD_BODY, key_of(OTHER))
    envelope = Envelope(ID, str(now), f"v1,broken v1a,AAAA {good} v9,x")
    assert verify(envelope, GOOD_BODY, [*KEYS, key_of(OTHER)], now=now) == ID
    with pytest.raises(NotAuthentic):
        verify(envelope, GOOD_BODY, KEYS, now=now)


def test_without_a_secret_nothing_is_authentic() -> None:
    now = int(time.time())
    with pytest.raises(NotAuthentic):
        verify(Envelope(ID, str(now), sign(ID, now, GOOD_BODY, b"")), GOOD_BODY, [], now=now)
