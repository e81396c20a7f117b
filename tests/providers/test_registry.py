"""Kinds, knobs and what building checks."""

import pytest

from providers.errors import ProviderMisconfigured, ProviderRejected
from providers.models import Credential
from providers.ports import TraceableRuns
from providers.registry import SCM_HOSTS, TEST_RUNS, build_deployments, build_scm_host, build_test_runs
from providers.runs import KNOBS, result_map
from providers.runs import test_counts as count_tests
from tests.providers.hosts import IDENTITY, FakeHost

NOTHING = Credential(data={})


def test_an_unknown_kind_names_the_known_ones(host: FakeHost) -> None:
    http = host.http()
    with pytest.raises(ProviderRejected, match="works with github"):
        build_scm_host("svn", base="", owner="", repository="", credential=NOTHING, identity=IDENTITY, http=http)
    with pytest.raises(ProviderRejected, match="works with jenkins, githubActions, gitlabCI"):
        build_test_runs("bamboo", base="", credential=NOTHING, http=http)
    with pytest.raises(ProviderRejected, match="works with argocd"):
        build_deployments("spinnaker", base="", credential=NOTHING, http=http)


@pytest.mark.parametrize("kind", TEST_RUNS)
def test_every_ci_system_can_say_whether_its_runs_are_traceable(kind: str, host: FakeHost) -> None:
    built = build_test_runs(
        kind, base="https://x", owner="a", repository="b", project="a/b", credential=NOTHING, http=host.http()
    )
    assert isinstance(built, TraceableRuns)


async def test_building_with_an_empty_secret_fails_at_the_first_call(host: FakeHost) -> None:
    http = host.http()
    scm = build_scm_host("github", base="", owner="a", repository="b", credential=NOTHING, identity=IDENTITY, http=http)
    runs = [
        build_test_runs(kind, base="https://x", owner="a", repository="b", project="1", credential=NOTHING, http=http)
        for kind in TEST_RUNS
    ]
    checks = [scm.check, *(port.check for port in runs)]
    assert len(checks) == len(SCM_HOSTS) + len(TEST_RUNS)
    for check in checks:
        with pytest.raises(ProviderMisconfigured, match="Secret"):
            await check()
    with pytest.raises(ProviderMisconfigured, match="Secret"):
        await build_deployments(base="https://x", credential=NOTHING, http=http).list("shop")
    assert host.requests == []


@pytest.mark.parametrize(("wanted", "said"), [({"odd": "Passed"}, "unstable"), ({"unstable": "Fine"}, "Passed")])
def test_a_wrong_knob_names_what_is_allowed(wanted: dict[str, str], said: str) -> None:
    with pytest.raises(ProviderRejected, match=said):
        result_map(wanted)


def test_without_choices_the_documented_defaults_count() -> None:
    assert result_map({}) == KNOBS


def test_counts_speak_only_of_what_there_is() -> None:
    assert count_tests(passed=0, failed=0, skipped=0) == ""
    assert count_tests(passed=41, failed=0, skipped=0) == "41 passed"
    assert count_tests(passed=0, failed=2, skipped=1) == "0 passed, 2 failed, 1 skipped"


def test_a_credential_is_never_printed() -> None:
    assert "hunter2" not in repr(Credential(data={"token": "hunter2"}))
