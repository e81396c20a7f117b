"""Vendor JSON of the wrong shape is ProviderMalformed and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers import documents, issue_comments
from providers.argocd.applications import read_application
from providers.errors import ProviderMalformed
from providers.github import wire as github
from providers.github_actions import wire as actions
from providers.gitlab_ci import wire as gitlab
from providers.jenkins import wire as jenkins
from providers.models import Origin, Run
from providers.origins import Ours, judged
from providers.runs import result_map

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KNOWN_KEYS = (
    "metadata", "spec", "status", "operation", "operationState", "sources", "source", "name", "history", "conditions",
    "sync", "user", "head", "labels", "state", "merged", "builds", "actions", "parameters", "executable", "number",
    "id", "workflow_runs", "total", "result", "building", "merged_at", "summary", "images", "info", "syncPolicy",
    "_class", "causes", "userId", "timestamp", "inQueueSince", "created_at", "value", "property", "ref", "username",
    "parameterDefinitions", "defaultParameterValue",
)  # fmt: skip
SHAPED = st.recursive(
    JSON,
    lambda inner: st.dictionaries(st.sampled_from(KNOWN_KEYS), inner, max_size=6) | st.lists(inner, max_size=2),
    max_leaves=20,
)
RESULTS = result_map({})
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OURS = Ours(
    ref="main",
    account="bot",
    origin=Origin(began=0.0, parameters={"number": "1", "id": "2"}),
    defaults={"name": "", "state": True},
)
READERS: dict[str, Callable[[documents.Document], object]] = {
    "github pull": github.read_pull,
    "github comment": issue_comments.read_comment,
    "jenkins builds": lambda value: jenkins.read_builds(value, "", now=NOW, ours=OURS),
    "jenkins queue": lambda value: jenkins.read_queue(value, "", now=NOW, ours=OURS),
    "jenkins item": lambda value: jenkins.read_item(value, queue=1, key="k"),
    "jenkins build": lambda value: jenkins.read_build(value, run=Run(id="", key="k"), results=RESULTS),
    "jenkins report": jenkins.read_test_report,
    "actions runs": lambda value: actions.read_runs(value, "k", NOW),
    "actions run": lambda value: actions.read_run(value, key="k", results=RESULTS),
    "actions jobs": actions.read_failed_jobs,
    "gitlab pipeline": lambda value: gitlab.read_pipeline(value, key="k", results=RESULTS),
    "gitlab report": gitlab.read_report,
    "gitlab beginning": lambda value: judged(Run(id="1", key="k"), gitlab.read_facts(value, NOW), OURS),
    "jenkins defaults": jenkins.defaults,
    "argocd application": lambda value: read_application(value, "https://argocd.example.com"),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
@settings(max_examples=40)
@given(value=st.dictionaries(st.sampled_from(KNOWN_KEYS), SHAPED, max_size=8))
def test_a_reader_returns_or_reports_malformed_whatever_it_is_given(
    reader: Callable[[documents.Document], object], value: dict[str, object]
) -> None:
    try:
        made = reader(value)
    except ProviderMalformed:
        # The one error that it may raise; anything else fails this test by itself.
        made = "malformed"
    assert made is not None


def test_numbers_and_times_are_read_strictly() -> None:
    value = {"n": 3, "t": "2026-11-21T00:52:42Z", "naive": "2026-11-21T00:52:42", "empty": "", "bool": True}
    assert documents.number(value, "n") == 3
    assert documents.moment(value, "t") == datetime(2026, 11, 21, 0, 52, 42, tzinfo=UTC)
    assert documents.moment(value, "naive") == datetime(2026, 11, 21, 0, 52, 42, tzinfo=UTC)
    assert documents.moment(value, "empty") is None
    assert documents.text(value, "n") == "3"
    assert documents.flag(value, "bool")
    for wrong in ("bool", "t"):
        with pytest.raises(ProviderMalformed, match=wrong):
            documents.number(value, wrong)
    with pytest.raises(ProviderMalformed, match="no text"):
        documents.text(value, "bool")
    with pytest.raises(ProviderMalformed, match="no time"):
        documents.moment({"t": "yesterday"}, "t")
    with pytest.raises(ProviderMalformed, match="has no"):
        documents.required_number(value, "missing")
    with pytest.raises(ProviderMalformed, match=r"no list of texts"):
        documents.texts({"x": [1]}, "x")


@pytest.mark.parametrize(
    "header",
    [
        "", "soon", "Sun, 06 Nov 1994 08:49:37 +" + "9" * 13, "Sun, 06 Nov 1994 08:49:37 +" + "9" * 500,
        "Sun, 99 Foo 99999 99:99:99 +99999", "Fri, 31 Dec 9999 23:59:59 -2359",
        "Sun, 06 Nov 1994 08:49:37 GMT" + " " * 5000, "(" * 64, "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
    ],
)  # fmt: skip
def test_a_header_that_is_no_date_has_none(header: str) -> None:
    assert documents.http_date(header) is None


@pytest.mark.parametrize("header", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 09:49:37 +0100"])
def test_a_header_holds_a_date_in_utc(header: str) -> None:
    assert documents.http_date(header) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
