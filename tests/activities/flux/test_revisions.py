"""The commit of an event: forms that Flux documents, and texts that only look like one."""

import pytest

from activities.flux.revisions import NoCommit, commit_of
from tests.activities.flux.events import SHA

LONG = "b" * 64


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        (SHA, SHA),
        (f"sha1:{SHA}", SHA),
        (f"main@sha1:{SHA}", SHA),
        (f"feature/x@sha1:{SHA}", SHA),
        (f"feature:x@sha1:{SHA}", SHA),
        (f"refs/pull/420/head@sha1:{SHA}", SHA),
        (f"main/{SHA}", SHA),
        (f"env/dev/{SHA}", SHA),
        (f"HEAD/{SHA}", SHA),
        (f"6.1.5/{SHA}", SHA),
        (f"main@sha1:{SHA.upper()}", SHA),
        (f"main@sha256:{LONG}", LONG),
        (LONG, LONG),
        (f"{'c' * 40}@sha1:{SHA}", SHA),
    ],
)
def test_a_commit_is_found_in_every_form(revision: str, commit: str) -> None:
    assert commit_of({"revision": revision}) == commit


@pytest.mark.parametrize(
    "revision",
    [
        "main", "abc1234", "6.5.0", "1.8.0+1", f" {SHA}", f"{SHA} ", f"main@{SHA}", f"main@sha512:{SHA}",
        f"main@sha1:{LONG}", f"main@sha256:{SHA}", "main@sha1:" + "z" * 40, "a-branch-name-that-has-forty-characters!",
        f"main@sha1:{SHA}0", "main@sha1:", "٣" * 40,
    ],
)  # fmt: skip
def test_what_only_looks_like_a_commit_is_none(revision: str) -> None:
    with pytest.raises(NoCommit) as missing:
        commit_of({"revision": revision})
    assert str(missing.value) == f"failed to extract commit hash from '{revision}' revision"


def test_the_annotated_commit_comes_before_the_origin_and_the_revision() -> None:
    revisions = {"revision": f"main@sha1:{'1' * 40}", "originRevision": f"main@sha1:{'2' * 40}", "commit": "3" * 40}
    assert commit_of(revisions) == "3" * 40
    del revisions["commit"]
    assert commit_of(revisions) == "2" * 40


def test_metadata_without_a_revision_report_it() -> None:
    with pytest.raises(NoCommit, match="missing revision metadata"):
        commit_of({"summary": "x", "revision": ""})


def test_compat_takes_any_forty_characters_as_flux_does() -> None:
    assert commit_of({"revision": "main@sha1:" + "z" * 40}, compat=True) == "z" * 40
    with pytest.raises(NoCommit):
        commit_of({"revision": f"main@sha256:{LONG}"}, compat=True)
