"""What an answer means: limits, rights, outages, and how long to wait."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from providers.error_mapping import message_of, refusal, retry_after
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.messages import Reply

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ProviderMalformed),
        (400, ProviderRejected),
        (401, ProviderUnauthorized),
        (403, ProviderUnauthorized),
        (404, ProviderNotFound),
        (405, ProviderRejected),
        (407, ProviderUnavailable),
        (408, ProviderUnavailable),
        (409, ProviderConflict),
        (410, ProviderNotFound),
        (412, ProviderConflict),
        (415, ProviderRejected),
        (422, ProviderRejected),
        (429, ProviderRateLimited),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
        (555, ProviderUnavailable),
    ],
)
def test_each_status_has_one_meaning(status: int, kind: type[ProviderError]) -> None:
    assert type(refusal(Reply(status=status), "it")) is kind


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-ratelimit-remaining": "0"}, b"{}"),
        ({"retry-after": "7"}, b"{}"),
        (JSON, b'{"message": "You have exceeded a secondary rate limit."}'),
        (JSON, b'{"message": "You have triggered an abuse detection mechanism."}'),
    ],
)
def test_a_403_that_is_a_limit_is_no_missing_right(headers: dict[str, str], body: bytes) -> None:
    error = refusal(Reply(status=403, headers=headers, body=body), "it")
    assert isinstance(error, ProviderRateLimited)
    assert error.retry_after is not None


def test_a_403_with_budget_left_is_a_missing_right() -> None:
    reply = Reply(status=403, headers={"x-ratelimit-remaining": "4999"}, body=b'{"message": "Resource not accessible"}')
    assert type(refusal(reply, "it")) is ProviderUnauthorized


def test_a_limit_that_names_no_time_is_waited_for_a_minute() -> None:
    assert refusal(Reply(status=429), "it").retry_after == timedelta(minutes=1)


def test_an_outage_that_names_a_time_passes_it_on() -> None:
    error = refusal(Reply(status=503, headers={"retry-after": "12"}), "it")
    assert isinstance(error, ProviderUnavailable)
    assert error.retry_after == timedelta(seconds=12)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("30", timedelta(seconds=30)),
        ("0", timedelta(seconds=1)),
        ("-5", timedelta(seconds=1)),
        ("nan", timedelta(seconds=1)),
        ("inf", timedelta(hours=1)),
        ("999999999999", timedelta(hours=1)),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_and_bounded(header: str, wanted: timedelta | None) -> None:
    assert retry_after({"retry-after": header}) == wanted


def test_retry_after_may_be_a_date() -> None:
    wait = retry_after({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)})
    assert wait is not None
    assert timedelta(seconds=80) < wait <= timedelta(seconds=90)


@pytest.mark.parametrize("prefix", ["x-ratelimit", "ratelimit"])
def test_a_spent_budget_is_waited_for_until_its_reset(prefix: str) -> None:
    wait = retry_after({f"{prefix}-remaining": "0", f"{prefix}-reset": str(time.time() + 60)})
    assert wait is not None
    assert timedelta(seconds=50) < wait <= timedelta(seconds=60)
    assert retry_after({f"{prefix}-remaining": "0", f"{prefix}-reset": "?"}) is None
    assert retry_after({f"{prefix}-remaining": "3", f"{prefix}-reset": "9"}) is None


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("application/json", b'{"message": "Not Found", "documentation_url": "x"}', "Not Found"),
        (
            "application/json",
            b'{"message": "Validation Failed", "errors": [{"resource": "Label", "code": "already_exists"}]}',
            "Validation Failed; resource: Label; code: already_exists",
        ),
        ("application/json", b'{"message": {"base": ["Reference not found"]}}', "base: Reference not found"),
        ("application/json", b'{"error": "denied", "code": 7, "message": "denied"}', "denied"),
        ("application/json", b'{"error": 7}', ""),
        ("text/html; charset=utf-8", b"<html><title> Error 404 </title>secret body</html>", "Error 404"),
        ("text/html", b"<p>secret body", "an HTML page"),
        ("text/plain", b"Invalid content type\n", "Invalid content type"),
        ("application/octet-stream", b"\x00\x01", ""),
    ],
)
def test_only_the_hosts_own_message_is_shown(kind: str, body: bytes, wanted: str) -> None:
    assert message_of(Reply(status=400, headers={"content-type": kind}, body=body)) == wanted


@pytest.mark.parametrize("prefix", ["x-ratelimit", "ratelimit"])
def test_a_reset_may_be_the_seconds_that_are_left(prefix: str) -> None:
    """As the draft of RateLimit headers has it, and gateways in front of a host."""
    error = refusal(Reply(status=429, headers={f"{prefix}-remaining": "0", f"{prefix}-reset": "42"}), "it")
    assert error.retry_after == timedelta(seconds=42)
