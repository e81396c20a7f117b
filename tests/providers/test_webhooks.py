"""Webhooks as they are sent: proved by their own sender's secret alone, and read for what they are about."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.documents import parsed
from providers.webhooks.events import (
    ApplicationNotice,
    Event,
    NotAnEvent,
    PullRequestNotice,
    RepositoryName,
    RepositoryNotice,
    RunNotice,
    as_document,
)
from providers.webhooks.senders import SENDERS
from providers.webhooks.signatures import CLOCK_SKEW, NotProven
from tests.providers.webhook_samples import (
    KEY,
    NOW,
    SECRET,
    SIGNING_TOKEN,
    Sample,
    application,
    proof,
    pull_requests,
    runs,
    signed_by_token,
)

RECORDED = Path(__file__).parents[1] / "recordings" / "gitea-1.26.0.jsonl"
AT_SERVER = {"slug": "web", "project": {"key": "acme"}}
AT_AZURE = {"name": "web", "project": {"name": "acme"}}
ENDED = pull_requests(ended=True)
ALL = [*ENDED.values(), *pull_requests(ended=False).values(), *runs(ended=True).values(), application()]
HOSTS = sorted(ENDED)
SIGNED = [host for host in HOSTS if host not in ("gitlab", "azureDevOps")]
UNNAMED = ("azureDevOps", "jenkins", "argocd")


def verify(sample: Sample, headers: dict[str, str], *, body: bytes | None = None, secret: str = SECRET) -> None:
    SENDERS[sample.sender].verify(headers, sample.raw if body is None else body, secret, NOW)


def read(sample: Sample, body: Any = None) -> Event:
    return SENDERS[sample.sender].read(sample.headers, sample.body if body is None else body)


@pytest.mark.parametrize("sample", ALL, ids=lambda one: one.sender)
def test_a_delivery_is_proved_by_the_secret_that_it_was_sent_with(sample: Sample) -> None:
    verify(sample, sample.proven())
    with pytest.raises(NotProven):
        verify(sample, {})


@pytest.mark.parametrize("secret", [f"{SECRET}!", SECRET[:-1], SECRET.upper(), "", "sha256="])
@pytest.mark.parametrize("sample", ALL, ids=lambda one: one.sender)
def test_a_delivery_is_not_proved_for_another_secret(sample: Sample, secret: str) -> None:
    with pytest.raises(NotProven):
        verify(sample, sample.proven(), secret=secret)


@pytest.mark.parametrize("sender", sorted(SENDERS))
def test_a_delivery_without_a_proof_proves_nothing_even_where_there_is_no_secret(sender: str) -> None:
    for secret in (SECRET, ""):
        for headers in ({}, proof(sender, b"{}", ""), dict.fromkeys(proof(sender, b"{}", SECRET), "sha256=")):
            with pytest.raises(NotProven):
                SENDERS[sender].verify(headers, b"{}", secret, NOW)


@pytest.mark.parametrize("host", SIGNED)
def test_a_signature_is_of_the_whole_body(host: str) -> None:
    with pytest.raises(NotProven):
        verify(ENDED[host], ENDED[host].proven(), body=ENDED[host].raw + b" ")


def test_the_older_signature_of_github_proves_nothing() -> None:
    headers = {"x-hub-signature": proof("bitbucketCloud", ENDED["github"].raw, SECRET)["x-hub-signature"]}
    with pytest.raises(NotProven):
        verify(ENDED["github"], headers)


@pytest.mark.parametrize(
    "authorization", ["Basic !!!", "Basic YQ==", "Digest x", "Bearer", f"bearer {SECRET}x", "Basic /w=="]
)
def test_an_authorization_that_cannot_be_read_proves_nothing(authorization: str) -> None:
    with pytest.raises(NotProven):
        SENDERS["jenkins"].verify({"authorization": authorization}, b"{}", SECRET, NOW)


def test_a_signing_token_of_gitlab_is_never_sent_itself() -> None:
    sample = ENDED["gitlab"]
    verify(sample, signed_by_token(sample.raw), secret=SIGNING_TOKEN)
    with pytest.raises(NotProven):
        verify(sample, {"x-gitlab-token": SIGNING_TOKEN}, secret=SIGNING_TOKEN)


@pytest.mark.parametrize("away", [CLOCK_SKEW + timedelta(seconds=1), -CLOCK_SKEW - timedelta(seconds=1)])
def test_a_signature_of_another_time_proves_nothing(away: timedelta) -> None:
    raw = ENDED["gitlab"].raw
    with pytest.raises(NotProven):
        verify(ENDED["gitlab"], signed_by_token(raw, at=NOW + away), secret=SIGNING_TOKEN)


def test_id_time_and_body_are_what_a_signing_token_signs() -> None:
    sample = ENDED["gitlab"]
    signed = signed_by_token(sample.raw)
    for other in (
        {**signed, "webhook-id": "d-2"},
        {**signed, "webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {**signed, "webhook-timestamp": "now"},
        {**signed, "webhook-signature": signed["webhook-signature"].replace("v1,", "v2,")},
        signed_by_token(sample.raw, key=b"another key"),
    ):
        with pytest.raises(NotProven):
            verify(sample, other, secret=SIGNING_TOKEN)
    with pytest.raises(NotProven):
        verify(sample, signed, secret="whsec_!!!")


@pytest.mark.parametrize("host", HOSTS)
def test_a_repeated_delivery_has_the_id_of_the_first_one_where_its_host_gives_any(host: str) -> None:
    assert ("d-1" in SENDERS[host].delivery(ENDED[host].headers)) == (host not in UNNAMED)


@pytest.mark.parametrize("sender", sorted(SENDERS))
def test_a_delivery_without_an_id_is_known_by_its_body_where_that_holds_one_alone(sender: str) -> None:
    assert bool(SENDERS[sender].delivery({})) == (sender == "azureDevOps")


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("host", HOSTS)
def test_a_pull_request_is_named_by_its_host(host: str, *, ended: bool) -> None:
    [notice] = read(pull_requests(ended=ended)[host]).about
    assert isinstance(notice, PullRequestNotice)
    assert (notice.repository.full_name, notice.number, notice.ended) == ("Acme/Web", 412, ended)
    assert notice.repository.project_id == (7 if host == "gitlab" else 0)


@pytest.mark.parametrize("system", sorted(runs(ended=True)))
def test_a_run_that_ended_is_named_by_its_address_and_its_key(system: str) -> None:
    assert read(runs(ended=True)[system]).about == (RunNotice(url="https://ci.example.com/7", keys=(KEY,)),)
    assert read(runs(ended=False)[system]).about == ()


def test_a_pipeline_of_an_older_gitlab_is_found_by_its_number() -> None:
    sample = runs(ended=True)["gitlab"]
    del sample.body["object_attributes"]["url"], sample.body["object_attributes"]["variables"]
    assert read(sample).about == (RunNotice(url="https://ci.example.com/-/pipelines/7"),)


def test_an_application_is_named_by_the_documented_template() -> None:
    assert read(application()).about == (ApplicationNotice(name="web-dev", project="shop"),)


@pytest.mark.parametrize(
    ("host", "headers", "body"),
    [
        ("github", {"x-github-event": "ping"}, {"zen": "Keep it logically awesome."}),
        ("github", {"x-github-event": "push"}, {"ref": "refs/heads/main"}),
        ("gitlab", {"x-gitlab-event": "Push Hook"}, {"object_kind": "push"}),
        ("gitea", {"x-gitea-event": "push", "x-github-event": "pull_request"}, {}),
        ("bitbucketCloud", {"x-event-key": "pullrequest:comment_created"}, {}),
        ("bitbucketDataCenter", {"x-event-key": "diagnostics:ping"}, {"test": True}),
        ("azureDevOps", {}, {"eventType": "build.complete"}),
    ],
)
def test_an_event_that_nothing_waits_for_is_about_nothing(host: str, headers: dict[str, str], body: Any) -> None:
    assert SENDERS[host].read(headers, body).about == ()


@pytest.mark.parametrize(
    ("host", "headers", "body"),
    [
        ("github", {"x-github-event": "push"}, {"repository": {"full_name": "acme/web"}}),
        ("github", {"x-github-event": "repository"}, {"repository": {"full_name": "acme/web"}}),
        (
            "gitlab",
            {"x-gitlab-event": "Push Hook"},
            {"object_kind": "push", "project": {"path_with_namespace": "acme/web"}},
        ),
        ("gitea", {"x-gitea-event": "push"}, {"repository": {"full_name": "acme/web"}}),
        ("bitbucketCloud", {"x-event-key": "repo:push"}, {"repository": {"full_name": "acme/web"}}),
        ("bitbucketDataCenter", {"x-event-key": "repo:refs_changed"}, {"repository": AT_SERVER, "changes": []}),
        ("bitbucketDataCenter", {"x-event-key": "repo:modified"}, {"old": {}, "new": AT_SERVER}),
        ("azureDevOps", {}, {"eventType": "git.push", "resource": {"repository": AT_AZURE, "refUpdates": []}}),
    ],
)
def test_a_push_or_a_new_name_is_about_the_repository(host: str, headers: dict[str, str], body: Any) -> None:
    wanted = RepositoryNotice(repository=RepositoryName(full_name="acme/web"))
    assert SENDERS[host].read(headers, body).about == (wanted,)


def test_what_a_real_gitea_sent_is_read() -> None:
    rows = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    sent = [row for row in rows if row["case"].startswith("webhook ")]
    about = [
        SENDERS["gitea"].read({name.lower(): value for name, value in row["headers"].items()}, row["body"]).about
        for row in sent
    ]
    named = [notice for notices in about for notice in notices if isinstance(notice, PullRequestNotice)]
    assert len(named) == sum(row["headers"]["X-Gitea-Event"] == "pull_request" for row in sent)
    assert [one.ended for one in named].count(True) == 1


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.just("\ud800"),
    st.just("x" * 5000),
    st.just([]),
    st.just({}),
    st.just([{}]),
)


@given(st.data())
def test_whatever_a_body_holds_is_an_event_or_none(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(ALL))
    body = json.loads(json.dumps(sample.body))
    for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
        _damage(body, data)
    try:
        shown = repr(read(sample, as_document(parsed(json.dumps(body).encode()))))
    except NotAnEvent as error:
        shown = str(error)
    # What is kept of it and shown is bounded and can be written anywhere.
    assert 0 < len(shown.encode()) < 20_000


def _damage(body: Any, data: st.DataObject) -> None:
    """Replace or remove one value, wherever it stands."""
    holder = body
    while isinstance(holder, dict) and holder:
        name = data.draw(st.sampled_from(sorted(holder)))
        if isinstance(holder[name], dict) and holder[name] and data.draw(st.booleans()):
            holder = holder[name]
            continue
        if data.draw(st.booleans()):
            holder[name] = data.draw(ODD)
        else:
            del holder[name]
        return


@given(
    st.sampled_from(sorted(SENDERS)),
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(
            sorted(
                {name for sample in ALL for name in sample.proven()}
                | {"webhook-id", "webhook-timestamp", "webhook-signature"}
            )
        ),
        st.one_of(st.text(max_size=80), st.just("v1,"), st.just("Basic Og=="), st.just("sha256=\udcff")),
    ),
)
def test_no_headers_and_no_bytes_are_a_proof_by_chance(sender: str, body: bytes, headers: dict[str, str]) -> None:
    for secret in (SECRET, SIGNING_TOKEN, "", "geheim-\u00e4\u00f6\u00fc"):
        with pytest.raises(NotProven):
            SENDERS[sender].verify(headers, body, secret, NOW)
