"""Names as people type them."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run, tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli.exits import CliError, ExitCode
from worker.cli.naming import Typed, choose_trackers, object_name, read_pull_request, read_tracker
from worker.cli.options import ClusterTarget
from worker.cli.session import Session

SHOP = {"web-412": 412, "api-412": 412, "web-7": 7}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("web-412", Typed(name="web-412")),
        ("412", Typed(number=412)),
        ("#412", Typed(number=412)),
        ("web#412", Typed(name="web-412")),
        ("prt/web-412", Typed(name="web-412")),
        ("PullRequestTrackers/web-412", Typed(name="web-412")),
        ("pullrequesttracker.pilotage.dev/web-412", Typed(name="web-412")),
        ("prt/#412", Typed(number=412)),
    ],
)
def test_a_tracker_is_named_as_people_type_it(typed: str, read: Typed) -> None:
    assert read_tracker(typed) == read


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "Web-412",
        "web/412",
        "penv/prod",
        "../web",
        "web 412",
        "web%2f412",
        "-web",
        "a" * 254,
        "#",
        "#0",
        "0",
        "web\x1b[2J",
    ],
)
def test_what_can_be_no_name_is_refused_before_anything_is_asked(typed: str) -> None:
    with pytest.raises(CliError) as refused:
        read_tracker(typed)
    assert refused.value.code is ExitCode.USAGE


def command(*arguments: str) -> str:
    return " ".join(("pilotage -n shop", *arguments))


def test_a_number_that_fits_several_is_not_guessed() -> None:
    assert choose_trackers([Typed(number=7), Typed(name="web-7")], SHOP, "shop", command=command) == ["web-7"]
    with pytest.raises(CliError, match="api-412, web-412") as several:
        choose_trackers([Typed(number=412)], SHOP, "shop", command=command)
    assert several.value.code is ExitCode.USAGE
    with pytest.raises(CliError) as none:
        choose_trackers([Typed(number=1)], SHOP, "shop", command=command)
    assert none.value.code is ExitCode.NOT_FOUND
    assert "`pilotage -n shop track 1`" in none.value.advice


@pytest.mark.parametrize(("typed", "read"), [("412", (None, 412)), ("#412", (None, 412)), ("web#412", ("web", 412))])
def test_a_pull_request_is_named_as_people_type_it(typed: str, read: tuple[str | None, int]) -> None:
    assert read_pull_request(typed) == read


@pytest.mark.parametrize("typed", ["", "0", "#0", "-1", "4.12", "web/412", "Web#412", "web#"])
def test_what_names_no_pull_request_is_a_usage_error(typed: str) -> None:
    with pytest.raises(CliError) as refused:
        read_pull_request(typed)
    assert refused.value.code is ExitCode.USAGE


def test_advice_names_the_cluster_and_the_namespace_that_were_meant() -> None:
    target = ClusterTarget(context="far", kubeconfig=Path("/my configs/far"))
    session = Session(kubernetes=FakeCluster(), namespace="shop", target=target)
    line = session.command("why", "web-412")
    assert line == "pilotage --kubeconfig '/my configs/far' --context far -n shop why web-412"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("show", "web-1"), "`pilotage get -A`"),
        (("show", "1"), "`pilotage -n shop track 1`"),
        (("envs", "nowhere"), "`pilotage -n shop envs`"),
        (("drift", "nowhere"), "`pilotage -n shop drift`"),
    ],
)
def test_what_is_not_there_is_answered_with_the_command_that_lists_what_is(
    tracked: FakeCluster, run: Run, arguments: tuple[str, ...], advice: str
) -> None:
    result = run("-n", "shop", *arguments)
    assert (result.exit_code, advice in result.stderr) == (3, True)


def test_other_kinds_may_stand_before_their_own_names_only() -> None:
    assert object_name("penv/prod", "penv", "environment") == "prod"
    with pytest.raises(CliError):
        object_name("prt/prod", "penv", "environment")


@pytest.mark.parametrize("command", ["get", "show", "why", "retest", "promote"])
def test_each_command_takes_numbers(tracked: FakeCluster, run: Run, command: str) -> None:
    assert run(command, "#412").exit_code == 0
    assert run(command, "413").exit_code == 3


def test_several_are_shown_one_after_the_other(tracked: FakeCluster, run: Run) -> None:
    tracked.add("PullRequestTracker", "web-413", spec=tracker_spec(413))

    assert [line for line in run("show", "412", "413").stdout.splitlines() if line.startswith("Pull request:")] == [
        "Pull request: #412 Add a basket",
        "Pull request: #413",
    ]


def test_a_namespace_that_cannot_be_one_is_refused(tracked: FakeCluster, run: Run) -> None:
    assert run("get", "-n", "shop/../other").exit_code == 2
    assert run("-n", "Shop", "get").exit_code == 2
    assert tracked.targets == []
