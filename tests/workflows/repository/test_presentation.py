"""What people read of a repository's list in the Temporal UI."""

from dataclasses import replace
from datetime import UTC, datetime

from activities.models.failures import BriefFailure, Failure
from activities.models.repository_sync import Discovered, RepositoryRef, SyncRepositoryResult
from crds.reasons.problems import FailureKind
from workflows.repository.presentation import RepositorySyncProgress, details

WEB = RepositorySyncProgress(
    repository=RepositoryRef(namespace="shop", name="web", uid="uid-1"),
    looked_at=datetime(2026, 1, 2, 12, tzinfo=UTC),
    looks=1,
    last=SyncRepositoryResult(unchanged=True),
    failure=None,
)


def failed(what: str) -> BriefFailure:
    return BriefFailure(kind=FailureKind.UNAVAILABLE, message="no answer", object=what)


def test_a_look_shows_what_it_found_what_is_left_and_why_it_failed() -> None:
    assert "not looked at yet" in details(replace(WEB, looked_at=None, last=None))
    assert "nothing has changed" in details(WEB)
    capped = Discovered(complete=False, reason="TooManyMatches", message="narrow it")
    busy = SyncRepositoryResult(
        listed=3, signalled=2, made=("web-7",), discovered=capped, failures=(failed("pull request 9"),)
    )
    shown = details(replace(WEB, last=busy, unremoved=(failed("web-1"),)))
    parts = (
        "3 pull requests listed, news sent to 2 trackers",
        "web-7",
        "TooManyMatches",
        "pull request 9",
        "not removed",
        "web-1",
    )
    assert [part for part in parts if part not in shown.replace("\\", "")] == []
    away = Failure(kind=FailureKind.UNAVAILABLE, message="the host is away")
    assert "the host is away" in details(replace(WEB, failure=away))
