"""GitHub Actions when a reply is lost: repeated where the run shows its key, given up where not, and never guessed."""

from datetime import timedelta

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.failures import carried
from activities.models.testing import TriggerTestInput, TriggerTestResult
from activities.test_runs import CiActivities
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderUnavailable,
    TriggerUnknown,
)
from providers.http import HttpClients
from providers.models import Run
from providers.ports import TestRuns
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import FakeOpener
from tests.providers.actions import DISPATCH, FLOW, WITH_KEY, WITHOUT_KEY, dispatches, run, world
from tests.providers.hosts import Answer, FakeHost, answer, github_actions

FILE = "/repos/acme/web/contents/.*"
RUNS = rf"{FLOW}/runs\?.*"
SECONDARY = answer({"message": "You have exceeded a secondary rate limit."}, 403)
SPENT = answer({"message": "Forbidden"}, 403, x_ratelimit_remaining="0", x_ratelimit_reset="1")
FORBIDDEN = answer({"message": "Resource not accessible by integration"}, 403)
LOST: list[Answer] = [httpx.ReadTimeout("late"), answer(status=502), httpx.Response(200, text="{")]
OUTAGES: list[tuple[Answer, type[ProviderError]]] = [
    (answer(status=500), ProviderUnavailable),
    (answer(status=503), ProviderUnavailable),
    (httpx.ReadTimeout("late"), ProviderUnavailable),
    (httpx.ConnectError("refused"), ProviderUnavailable),
    (answer({"message": "slow down"}, 429), ProviderRateLimited),
    (SECONDARY, ProviderRateLimited),
    (SPENT, ProviderRateLimited),
]


async def traceable(runs: TestRuns) -> bool:
    return await runs.traceable("e2e.yml")


async def trigger(host: FakeHost, http: HttpClients, attempt: int) -> TriggerTestResult:
    request = TriggerTestInput(namespace="shop", runner="actions", job="e2e.yml", key="k", parameters={}, variables={})
    activities = CiActivities(FakeOpener(runs=github_actions(http)))
    return await bounded_environment(attempt=attempt).run(activities.trigger_test, request)


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize(("file", "unknown"), [(WITH_KEY, False), (WITHOUT_KEY, True)])
async def test_a_lost_reply_is_repeated_only_where_the_run_can_be_found(
    host: FakeHost, lost: Answer, file: str, unknown: bool
) -> None:
    world(host, file=file)
    host.on("POST", DISPATCH, lost)
    with pytest.raises(ProviderError) as caught:
        await github_actions(host.http()).create("e2e.yml", "k", {})
    assert dispatches(host) == 1
    assert isinstance(caught.value, TriggerUnknown) is unknown
    assert caught.value.retryable is not unknown


@pytest.mark.parametrize("refused", [answer(status=401), FORBIDDEN, answer({"message": "Not Found"}, 404)])
@pytest.mark.parametrize("path", [FILE, FLOW])
async def test_a_workflow_file_that_may_not_be_read_is_untraceable(
    host: FakeHost, path: str, refused: httpx.Response
) -> None:
    world(host)
    host.on("GET", path, refused)
    assert not await traceable(github_actions(host.http()))


@pytest.mark.parametrize(("outage", "kind"), OUTAGES)
@pytest.mark.parametrize("path", [FILE, FLOW])
async def test_a_file_that_cannot_be_read_now_shows_nothing_about_its_run_name(
    host: FakeHost, path: str, outage: Answer, kind: type[ProviderError]
) -> None:
    world(host, file=WITHOUT_KEY)
    host.on("GET", path, outage)
    with pytest.raises(kind):
        await traceable(github_actions(host.http()))


async def test_a_garbled_answer_or_too_many_calls_show_nothing_about_the_run_name_either(host: FakeHost) -> None:
    world(host)
    host.on("GET", FLOW, httpx.Response(200, text="<html>sign in</html>"))
    with pytest.raises(ProviderMalformed):
        await traceable(github_actions(host.http()))
    with pytest.raises(ProviderBusy):
        await traceable(github_actions(host.http({"in_flight_limit": 0})))


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("outage", [outage for outage, _ in OUTAGES])
async def test_a_lost_reply_stays_what_it_was_while_the_file_cannot_be_read(
    host: FakeHost, lost: Answer, outage: Answer
) -> None:
    world(host, file=WITHOUT_KEY)
    host.on("GET", FILE, outage)
    host.on("POST", DISPATCH, lost)
    with pytest.raises((ProviderUnavailable, ProviderMalformed), match=r"dispatches|JSON"):
        await github_actions(host.http()).create("e2e.yml", "k", {})
    assert dispatches(host) == 1


@pytest.mark.parametrize(("file", "sent", "ends"), [(WITHOUT_KEY, 1, "TriggerUnknown"), (WITH_KEY, 2, "")])
async def test_an_outage_after_a_lost_reply_neither_ends_the_test_nor_sends_it_again(
    host: FakeHost, file: str, sent: int, ends: str
) -> None:
    world(host, file=file)
    host.on("POST", DISPATCH, httpx.ReadTimeout("late"), answer({"workflow_run_id": 8}))
    host.on("GET", FILE, answer(status=503), SECONDARY, FORBIDDEN if ends else httpx.Response(200, text=file))
    http = host.http()
    with pytest.raises(ApplicationError) as first:
        await trigger(host, http, 1)
    assert (first.value.type, first.value.non_retryable) == ("ProviderUnavailable", False)
    with pytest.raises(ApplicationError) as second:
        await trigger(host, http, 2)
    # A limit of this attempt: whether the first was accepted is as unknown as before.
    assert (second.value.type, second.value.non_retryable) == ("ProviderRateLimited", False)
    assert carried(second.value).began is True
    delay = second.value.next_retry_delay
    assert delay is not None
    assert timedelta(minutes=1) <= delay < timedelta(minutes=1.2)
    assert dispatches(host) == 1
    if ends:
        with pytest.raises(ApplicationError) as third:
            await trigger(host, http, 3)
        assert third.value.type == ends
    else:
        assert (await trigger(host, http, 3)).run.id == "8"
    assert dispatches(host) == sent


async def test_a_host_that_names_no_runs_is_sent_nothing_while_the_file_cannot_be_read(host: FakeHost) -> None:
    world(host, runs=[run(7)])
    host.on("POST", DISPATCH, answer(status=204))
    http = host.http()
    await github_actions(http).create("e2e.yml", "k", {})
    host.on("GET", FILE, answer(status=503))
    with pytest.raises(ProviderUnavailable):
        await github_actions(http).create("e2e.yml", "k2", {})
    assert dispatches(host) == 1


@pytest.mark.parametrize(
    ("path", "refusal"),
    [(FILE, answer(status=503)), (FILE, SECONDARY), (RUNS, answer(status=503)), (RUNS, SECONDARY), (RUNS, FORBIDDEN)],
)
async def test_a_run_that_was_accepted_is_known_by_its_key_whatever_is_answered_next(
    host: FakeHost, path: str, refusal: httpx.Response
) -> None:
    world(host)
    host.on("POST", DISPATCH, answer(status=204))
    host.on("GET", path, refusal)
    assert await github_actions(host.http()).create("e2e.yml", "k", {}) == Run(id="", key="k")
    assert dispatches(host) == 1
