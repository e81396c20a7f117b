"""How errors of providers and of the Kubernetes API become failures."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.failures import (
    KINDS,
    LEAST_SPREAD,
    SPREAD,
    carried,
    kind_of,
    reported,
    tenant_of,
    to_application_error,
)
from activities.models.budgets import TEXT_BYTES
from activities.models.credential_checks import CheckConnectionInput, CheckedResource
from activities.models.revisions import ReadPullRequestInput
from activities.models.testing import PollTestsInput
from activities.ports import MissingReason, ReferenceMissing
from activities.redaction import known
from crds.api.ports import ApiError, ApiForbidden, ApiInvalid, ApiUnavailable
from crds.reasons.problems import FailureKind
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
    TriggerUnknown,
)
from tests.activities.conftest import bounded_environment


def is_spread(delay: timedelta | None, asked: timedelta) -> bool:
    """Return whether a delay is the one asked for or a little longer, never shorter."""
    return delay is not None and asked <= delay <= asked + max(asked * SPREAD, LEAST_SPREAD)


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ProviderUnavailable("down"), True),
        (ProviderMalformed("HTML"), True),
        (ProviderRejected("no"), False),
        (ProviderConflict("lost"), False),
        (TriggerUnknown("perhaps"), False),
        (ProviderUnauthorized("401"), True),
        (ProviderNotFound("404"), True),
        (ApiUnavailable("down"), True),
        (ApiForbidden("rights"), True),
        (ApiInvalid("bad"), False),
        (ValueError("a bug"), True),
    ],
)
def test_the_class_decides_whether_a_failure_is_retried(error: Exception, retryable: bool) -> None:
    failure = to_application_error(error)
    assert failure.non_retryable is not retryable
    assert failure.type == type(error).__name__


def _below(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(_below(one) for one in kind.__subclasses__()))


def test_every_outcome_error_has_its_kind_and_the_kind_is_named_like_it() -> None:
    for error in _below(ProviderError) - {ProviderError}:
        if error.__module__ == "providers.errors":
            assert KINDS[error] == error.__name__
    assert {ReferenceMissing, ApiError, ApiForbidden, ApiInvalid} <= set(KINDS)
    # Whatever is not named counts as the nearest class above it.
    assert kind_of(ApiUnavailable("down")) is FailureKind.API_UNAVAILABLE
    assert kind_of(ValueError("a bug")) is FailureKind.UNEXPECTED


def test_a_failure_leaves_as_a_value_that_needs_no_text_to_be_understood() -> None:
    missing = ReferenceMissing("Secret/ci", MissingReason.SECRET_NOT_FOUND, "create it", fields=("spec.url: bad",))
    failure = carried(to_application_error(missing))
    assert (failure.kind, failure.object) == (FailureKind.REFERENCE_MISSING, "Secret/ci")
    assert failure.message == "create it (spec.url: bad)"
    limited = carried(to_application_error(ProviderRateLimited("wait", retry_after=timedelta(minutes=7))))
    assert limited.kind is FailureKind.RATE_LIMITED
    assert is_spread(limited.retry_after, timedelta(minutes=7))


def test_a_rate_limit_sets_the_next_attempt() -> None:
    failure = to_application_error(ProviderRateLimited("slow down", retry_after=timedelta(seconds=70)))
    assert is_spread(failure.next_retry_delay, timedelta(seconds=70))


@pytest.mark.parametrize(
    ("asked_for", "seconds", "final"),
    [("trigger_test", 60, False), ("trigger_test", 61, True), ("cancel_tests", 61, True)],
)
async def test_a_host_that_asks_for_a_long_wait_gets_it_where_nothing_else_waits(
    asked_for: str, seconds: int, final: bool
) -> None:
    async def translate() -> ApplicationError:
        return to_application_error(ProviderRateLimited("slow down", retry_after=timedelta(seconds=seconds)))

    environment = bounded_environment()
    environment.info = replace(environment.info, activity_type=asked_for)
    failure = await environment.run(translate)
    assert failure.non_retryable is final
    assert is_spread(failure.next_retry_delay, timedelta(seconds=seconds))


def test_too_many_calls_in_flight_are_no_failure_worth_an_alert() -> None:
    failure = to_application_error(ProviderBusy("20 calls are in flight"))
    assert failure.category is ApplicationErrorCategory.BENIGN
    assert is_spread(failure.next_retry_delay, timedelta(seconds=2))


def test_those_who_get_the_same_time_do_not_come_together() -> None:
    asked = timedelta(hours=1)
    delays = {to_application_error(ProviderRateLimited("1 h", retry_after=asked)).next_retry_delay for _ in range(50)}
    assert len(delays) > 40
    assert all(is_spread(delay, asked) for delay in delays)


def test_what_a_person_must_fix_is_tried_every_half_minute_while_nothing_else_tries() -> None:
    failure = to_application_error(ProviderUnauthorized("bad token", status=401))
    assert failure.next_retry_delay == timedelta(seconds=30)
    assert not failure.non_retryable


async def test_what_a_person_must_fix_is_shown_at_once_where_the_workflow_asks_again() -> None:
    async def translate() -> ApplicationError:
        return to_application_error(ProviderNotFound("no such job"))

    failure = await bounded_environment().run(translate)
    assert failure.non_retryable


async def test_a_retry_after_never_undercuts_the_lag_of_the_list() -> None:
    async def translate() -> ApplicationError:
        return to_application_error(ProviderUnavailable("503", retry_after=timedelta(seconds=1)))

    failure = await bounded_environment(initial=10).run(translate)
    assert is_spread(failure.next_retry_delay, timedelta(seconds=10))


def test_a_missing_reference_names_what_to_fix() -> None:
    failure = to_application_error(
        ReferenceMissing("Secret/jenkins-token", MissingReason.SECRET_NOT_FOUND, "create it")
    )
    assert failure.message == "Secret/jenkins-token: create it"
    assert failure.type == "ReferenceMissing"


async def test_no_credential_and_no_cause_leaves_with_a_failure(environment: ActivityEnvironment) -> None:
    @reported
    async def fail() -> None:
        known().remember(["hunter2-of-the-jenkins"])
        raise ProviderUnavailable("GET https://ci:hunter2-of-the-jenkins@ci.example failed " + "ü" * 3000)

    with pytest.raises(ApplicationError) as caught:
        await environment.run(fail)
    assert "hunter2" not in str(caught.value)
    assert len(caught.value.message.encode()) <= TEXT_BYTES
    assert caught.value.__cause__ is None


def test_the_calls_of_an_activity_wait_in_the_turn_of_its_repository() -> None:
    lookup = ReadPullRequestInput(namespace="shop", repository="web", number=1)
    poll = PollTestsInput(namespace="shop", runs=(), repository="web")
    check = CheckConnectionInput(
        connection=CheckedResource(kind="TestRunner", namespace="shop", name="jenkins", uid="1")
    )
    assert [tenant_of(one) for one in (lookup, poll, check)] == ["shop/web", "shop/web", "shop/jenkins"]
    assert tenant_of(None) == ""
