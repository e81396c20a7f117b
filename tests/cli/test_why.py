"""`pilotage why`: each check with its inputs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import Result

from activities.models.promotion import Progress
from crds.api.ports import ApiForbidden, ApiResource
from crds.reasons.vocabulary import State
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from tests.cli.conftest import MERGED, OLDER, tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli import explaining
from worker.cli.asking import WorkflowAnswer
from worker.cli.explaining import disagreements
from workflows.environment.state import PlaceProgress

Run = Callable[..., Result]

SPEC = {
    "deployments": [
        {
            "name": "eu",
            "repositoryRef": {"name": "web"},
            "argocd": {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web-eu"},
        }
    ]
}


REFUSED = "401 from the server: the token of the Secret is wrong or has expired"


def condition(kind: str, *, met: bool, reason: str, message: str = "") -> dict[str, Any]:
    """Return the status of a resource with one condition."""
    written = {"type": kind, "status": str(met), "reason": reason, "message": message}
    return {"conditions": [{**written, "lastTransitionTime": "2026-11-21T08:00:01Z"}]}


def environment_status(revision: str, health: str = "Healthy", **entry: Any) -> dict[str, Any]:
    """Return the status of an environment with one deployment."""
    problem = {"problem": entry.pop("problem")} if "problem" in entry else {}
    deployment = {"name": "eu", "artifact": {"component": "", "revision": revision}, "health": health, **problem}
    return {"repositories": [{"repository": "web", "deployments": [deployment], **entry}]}


def add_world(cluster: FakeCluster) -> None:
    """Add what the tracker names."""
    cluster.add(
        "GitRepository", "web", spec={"scmProviderRef": {"name": "github"}, "github": {"owner": "a", "name": "w"}}
    )
    cluster.add("TestRunner", "jenkins", spec={"jenkins": {"url": "https://jenkins.example.com"}})
    cluster.add("Environment", "dev", spec=SPEC, status=environment_status(MERGED))
    lane = {"holder": "web-411", "members": [{"tracker": "web-411", "phase": "Holder", "held": True}]}
    status = environment_status(OLDER, "Degraded", lane=lane, problem="Argo CD ComparisonError: repository not found")
    cluster.add("Environment", "staging", spec=SPEC, status=status)
    test = {"name": "integration", "runnerRef": {"name": "jenkins"}, "job": "web/integration"}
    policy = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "autoPromote": True, "tests": [test]}
    cluster.add(
        "PromotionPolicy",
        "dev-to-staging",
        spec=policy,
        status={
            "conditions": [
                {
                    "type": "Valid",
                    "status": "True",
                    "reason": "Valid",
                    "message": "everything fits",
                    "lastTransitionTime": "2026-11-21T08:00:01Z",
                }
            ]
        },
    )


def test_why_prints_each_check_with_what_was_wanted_and_found(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)

    result = run("why", "web-412", "--all")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "web-412: Testing (TestsRunning)"
    assert "✓ pull request #412: Merged as ab12ab12ab12" in lines
    assert "✓ dev/eu web-eu: runs ab12ab12ab12, Healthy" in lines
    assert (
        "✗ staging/eu web-eu: runs 77c077c077c0 now; the change is ab12ab12ab12, Degraded; "
        "Argo CD ComparisonError: repository not found"
    ) in lines
    assert "✓ PromotionPolicy dev-to-staging (dev -> staging, auto): Valid (Valid): everything fits" in lines
    assert "· test e2e (required, jenkins): Running" in lines
    assert "· test lighthouse (optional, jenkins): Failed; score 41" in lines
    assert "✗ lane of staging: web-411 is Holder, held" in lines


def test_why_names_what_is_missing_and_goes_on(tracked: FakeCluster, run: Run) -> None:
    result = run("why", "web-412", "--all")

    assert result.exit_code == 0
    assert "✗ GitRepository web: not found in namespace shop" in result.stdout
    assert "✗ Environment dev: not found in namespace shop" in result.stdout
    assert "✓ pull request #412" in result.stdout


def test_why_shows_that_an_approval_is_awaited(tracked: FakeCluster, status: dict[str, Any], run: Run) -> None:
    waiting = {"what": "PromoteCommand", "unblockWith": "pilotage -n shop promote web-412"}
    ready = {**status, "state": "ReadyToPromote", "waitingFor": waiting}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=ready)
    add_world(tracked)

    text = run("why", "web-412", "--all").stdout

    assert "unblock with: pilotage -n shop promote web-412" in text
    assert "✗ the policy has `autoPromote: false`" in text


def test_why_finds_rival_policies(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)
    tracked.add("PromotionPolicy", "rival", spec={"sourceEnvironment": "dev", "targetEnvironment": "qa"})

    text = run("why", "web-412", "--all").stdout

    assert "✗ several policies from dev match web: dev-to-staging, rival" in text


def test_why_as_json_lists_the_checks(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)

    answer = json.loads(run("why", "web-412", "--all", "-o", "json").stdout)

    assert answer["state"] == "Testing"
    assert answer["waitingFor"]["what"] == "Verdict"
    subjects = [check["subject"] for check in answer["checks"]]
    assert subjects.index("merge") < subjects.index("source") < subjects.index("test") < subjects.index("target")


def test_why_works_before_the_first_status(cluster: FakeCluster, run: Run) -> None:
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412))

    result = run("why", "web-412", "--all")

    assert result.exit_code == 0
    assert "· pull request #412: not read yet" in result.stdout


def test_not_having_arrived_yet_is_no_failed_check(tracked: FakeCluster, status: dict[str, Any], run: Run) -> None:
    underway = {
        "type": "Completed",
        "status": "False",
        "reason": "Testing",
        "lastTransitionTime": "2026-11-21T08:00:01Z",
    }
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "conditions": [underway]})

    assert "Completed is False" not in run("why", "web-412", "--all").stdout


def add_connections(cluster: FakeCluster, kind: str = "ScmProvider") -> None:
    """Add the world, its SCM provider of this kind, and its Argo CD, whose tokens are refused."""
    add_world(cluster)
    repository = {"scmProviderRef": {"kind": kind, "name": "github"}, "github": {"owner": "a", "name": "w"}}
    cluster.add("GitRepository", "web", spec=repository)
    namespace = "shop" if kind == "ScmProvider" else ""
    provider = {"github": {}, "secretRef": {"name": "github-token"}}
    refused = condition("Reachable", met=False, reason="Unauthorized", message=REFUSED)
    cluster.add(kind, "github", namespace=namespace, spec=provider, status=refused)
    instance = {"server": "https://argocd.example.com", "secretRef": {"name": "argocd-token"}}
    refused = condition("Reachable", met=False, reason="Unauthorized", message=REFUSED)
    cluster.add("ArgoCDInstance", "argocd", spec=instance, status=refused)


@pytest.mark.parametrize("kind", ["ScmProvider", "ClusterScmProvider"])
def test_why_shows_a_refused_token_of_the_scm_host_with_its_secret(tracked: FakeCluster, run: Run, kind: str) -> None:
    add_connections(tracked, kind)

    lines = run("why", "web-412", "--all").stdout.splitlines()

    assert f"✗ {kind} github (Secret github-token): not Reachable (Unauthorized): {REFUSED}" in lines


def test_why_shows_a_refused_token_of_argo_cd_once_with_its_secret(tracked: FakeCluster, run: Run) -> None:
    add_connections(tracked)

    lines = run("why", "web-412", "--all").stdout.splitlines()

    shown = f"✗ ArgoCDInstance argocd (Secret argocd-token): not Reachable (Unauthorized): {REFUSED}"
    assert lines.count(shown) == 1


def test_a_terminal_gets_the_way_out_in_one_line_to_be_pasted(
    status: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unblock = f"check it: kubectl -n shop describe argocdinstance.pilotage.dev {'a' * 60}"
    status["waitingFor"] = {"what": "Reference", "observed": "answered 503 " * 10, "unblockWith": unblock}
    document = {"metadata": {"name": "web-412", "namespace": "shop"}, "spec": tracker_spec(412), "status": status}
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    tracker = PullRequestTracker.from_wire(document)
    explaining.print_answer(tracker, [], WorkflowAnswer(), every=False, pasted=str)
    lines = capsys.readouterr().out.splitlines()
    assert lines.count(f"unblock with: {unblock}") == 2
    assert max(len(line) for line in lines if unblock not in line) <= 40


def test_what_an_argo_cd_without_an_answer_showed_before_is_not_claimed_of_now(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)
    (before,) = [line for line in run("why", "412", "--all").stdout.splitlines() if "dev/eu" in line]
    assert before.startswith("✓")
    add_connections(tracked)
    (line,) = [line for line in run("why", "412").stdout.splitlines() if "dev/eu" in line]
    assert line.startswith("·")
    assert line.endswith(", as it was read last")


def test_why_shows_a_refused_token_of_a_ci_system_with_its_secret(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)
    refused = condition("Reachable", met=False, reason="Unauthorized", message=REFUSED)
    runner = {"jenkins": {"url": "https://jenkins.example.com"}, "secretRef": {"name": "jenkins-token"}}
    tracked.add("TestRunner", "jenkins", spec=runner, status=refused)

    lines = run("why", "web-412", "--all").stdout.splitlines()

    assert f"✗ TestRunner jenkins (Secret jenkins-token): not Reachable (Unauthorized): {REFUSED}" in lines


def test_why_names_the_connection_is_not_checked_yet(tracked: FakeCluster, run: Run) -> None:
    add_world(tracked)
    tracked.add("ArgoCDInstance", "argocd", spec={"server": "https://a.example.com", "secretRef": {"name": "token"}})

    text = run("why", "web-412", "--all").stdout

    assert "· ArgoCDInstance argocd (Secret token): not checked yet" in text
    assert "✗ ScmProvider github: not found in namespace shop" in text


def test_what_a_person_may_not_read_is_shown_but_holds_nothing_up(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_connections(tracked, "ClusterScmProvider")
    read = tracked.get

    async def get(resource: ApiResource, namespace: str | None, name: str) -> dict[str, Any]:
        if resource.kind == "ClusterScmProvider":
            raise ApiForbidden("alice may not get clusterscmproviders", status=403)
        return await read(resource, namespace, name)

    monkeypatch.setattr(tracked, "get", get)

    assert "· ClusterScmProvider github: alice may not get clusterscmproviders" in run("why", "web-412", "--all").stdout


@pytest.mark.parametrize(("required", "mark"), [(True, "✗"), (False, "·")])
def test_a_trigger_that_is_not_accepted_holds_up_a_required_test(
    tracked: FakeCluster, status: dict[str, Any], run: Run, required: bool, mark: str
) -> None:
    test = {"name": "e2e", "runner": "jenkins", "required": required, "state": "Pending", "message": REFUSED}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "tests": [test]})
    kind = "required" if required else "optional"

    lines = run("why", "web-412", "--all").stdout.splitlines()

    assert f"{mark} test e2e ({kind}, jenkins): Pending; {REFUSED}" in lines


def test_a_test_that_is_about_to_be_triggered_is_not_settled(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    test = {"name": "e2e", "runner": "jenkins", "required": True, "state": "Pending"}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "tests": [test]})

    assert "· test e2e (required, jenkins): Pending" in run("why", "web-412", "--all").stdout


def test_why_names_who_holds_and_why_not_the_message_of_the_held_state(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    waiting = {"what": "Release", "object": "bob", "observed": "held by bob: freeze until Monday"}
    held = {**status, "state": "Held", "heldState": "Testing", "message": "2 of 3 tests run", "waitingFor": waiting}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=held)

    lines = run("why", "web-412", "--all").stdout.splitlines()

    assert "✗ held by bob: freeze until Monday" in lines
    assert "✗ held: 2 of 3 tests run" not in lines


def test_the_answer_stands_first_and_last_and_what_is_well_is_left_out(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    waiting = {"what": "Lane", "object": "web-411", "unblockWith": "pilotage -n shop release web-411"}
    blocked = {**status, "state": "ReadyToPromote", "reason": "BlockedBy", "waitingFor": waiting}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=blocked)
    add_world(tracked)

    lines = run("why", "412").stdout.splitlines()

    assert lines[0] == "web-412: ReadyToPromote (BlockedBy)"
    assert lines[2] == lines[-1] == "unblock with: pilotage -n shop release web-411"
    assert [line for line in lines if line.startswith("✓")] == []
    assert "--all shows them" in lines[-2]


def test_where_nothing_helps_the_answer_is_that(tracked: FakeCluster, status: dict[str, Any], run: Run) -> None:
    waiting = {"what": "Verdict", "unblockWith": "no action needed"}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "waitingFor": waiting})

    assert run("why", "412").stdout.splitlines()[-1] == "no action needed"


def test_of_kinds_that_may_not_be_listed_nothing_is_claimed(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_world(tracked)
    listed = tracked.list_all

    async def list_all(resource: ApiResource, *arguments: Any, **options: Any) -> Any:
        if resource.kind in ("PromotionPolicy", "TestRunner"):
            raise ApiForbidden(f"alice may not list {resource.plural}", status=403)
        return await listed(resource, *arguments, **options)

    monkeypatch.setattr(tracked, "list_all", list_all)

    text = run("why", "web-412", "--all").stdout

    assert "· reference" not in text
    assert "alice may not list promotionpolicies" in text
    assert "no policy from" not in text
    assert "TestRunner jenkins: not found" not in text


@dataclass
class Handle:
    """A workflow that answers each query with one value."""

    answer: Any

    async def query(self, _name: str, *, result_type: type[Any]) -> Any:
        assert isinstance(self.answer, result_type)
        return self.answer


@dataclass
class Workflows:
    """A Temporal server, as far as commands query it."""

    answers: dict[str, Any]

    def get_workflow_handle(self, workflow_id: str) -> Handle:
        return Handle(self.answers[workflow_id])


PROMOTION, PLACE = "promotion/local/shop/web-412/1/cccccccc", "environment/local/shop/dev/web"
LATER = datetime(2999, 1, 2, 10, 42, 10, tzinfo=UTC)


@pytest.fixture
def hindered(tracked: FakeCluster, status: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A tracker in whose way something is, and a Temporal that knows when its environment tries that again."""
    unreachable = condition(
        "ReferencesResolved", met=False, reason="Unavailable", message="check ArgoCDInstance/argocd"
    )
    waiting = {"what": "Sync", "reasonCode": "Unavailable", "unblockWith": "no action needed"}
    document = {**status, **unreachable, "waitingFor": waiting, "workflow": {"id": PROMOTION}}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=document)
    progress = Progress(state=State.TESTING, reason="", details="", again_by=PLACE)
    place = PlaceProgress(environment="dev", repository="web", holder="", members=1, details="", again_at=LATER)

    async def connect() -> Workflows:
        return Workflows({PROMOTION: progress, PLACE: place})

    monkeypatch.setattr("worker.temporal.connect.connect", connect)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal:7233")
    return tracked


def test_the_next_try_is_shown_where_something_is_in_the_way(hindered: FakeCluster, run: Run) -> None:
    add_world(hindered)
    lines = run("why", "412").stdout.splitlines()
    assert [line for line in lines if "10:42:10 UTC" in line] == [lines[2]]
    # What the tracker's own condition repeats stands in the answer.
    assert not [line for line in lines if "ReferencesResolved" in line]
    assert json.loads(run("why", "412", "-o", "json").stdout)["nextTry"] == "2999-01-02T10:42:10Z"
    assert "10:42:10 UTC" in run("show", "412").stdout
    table = run("get", "-o", "wide").stdout.splitlines()
    assert table[1][table[0].index("NEXT-TRY") :].startswith("in ")


def test_a_list_asks_no_workflow_in_whose_way_nothing_is(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect() -> Workflows:
        raise AssertionError("no workflow was to be asked")

    monkeypatch.setattr("worker.temporal.connect.connect", connect)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal:7233")
    table = run("get", "-o", "wide").stdout.splitlines()
    assert "NEXT-TRY" in table[0]
    assert len(table) == 2


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (WorkflowAnswer(state="Testing"), []),
        (WorkflowAnswer(), []),
        (WorkflowAnswer(state="Promoting"), ["the workflow is at Promoting, and the status shows Testing"]),
        (WorkflowAnswer(absent=True), ["Temporal has no such workflow: `pilotage -n shop restart web-412`"]),
    ],
    ids=["agree", "not asked", "differ", "absent"],
)
def test_a_status_that_differs_from_the_workflow_is_noticed(
    status: dict[str, Any], asked: WorkflowAnswer, found: list[str]
) -> None:
    document = {"metadata": {"name": "web-412", "namespace": "shop"}, "spec": tracker_spec(412), "status": status}

    differing = disagreements(PullRequestTracker.from_wire(document), asked)

    assert len(differing) == len(found)
    assert all(part in text for part, text in zip(found, differing, strict=True))


def test_a_status_of_an_earlier_attempt_is_noticed(status: dict[str, Any], tracked: FakeCluster, run: Run) -> None:
    tracked.add("PullRequestTracker", "web-412", spec={**tracker_spec(412), "attempt": 2}, status=status)

    assert "✗ the status is that of attempt 1, and attempt 2 has begun" in run("why", "412").stdout


def test_reasons_are_codes_next_to_the_text(tracked: FakeCluster, run: Run) -> None:
    add_connections(tracked)

    answer = json.loads(run("why", "412", "-o", "json").stdout)

    assert answer["reasonCode"] == "TestsRunning"
    assert "Unauthorized" in [check["reasonCode"] for check in answer["checks"] if check["ok"] is False]
    assert answer["answer"][0] == "web-412: Testing (TestsRunning)"


def test_why_explains_several_and_as_json_they_are_a_list(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    tracked.add("PullRequestTracker", "web-413", spec=tracker_spec(413), status=status)

    text = run("why", "412", "#413").stdout
    assert [line.partition(":")[0] for line in text.splitlines() if line.startswith("web-")] == ["web-412", "web-413"]
    answers = json.loads(run("why", "412", "#413", "-o", "json").stdout)["items"]
    assert [one["tracker"] for one in answers] == ["web-412", "web-413"]


def test_a_status_that_is_only_moments_behind_its_workflow_is_waited_for(
    tracked: FakeCluster, status: dict[str, Any], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    status["workflow"] = {"id": "promotion/local/shop/web-412/1/x", "url": ""}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=status)

    async def ask(workflow_id: str) -> WorkflowAnswer:
        moved = {**status, "state": "ReadyToPromote", "reason": "AwaitingPromote", "waitingFor": None}
        tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=moved)
        return WorkflowAnswer(state="ReadyToPromote")

    monkeypatch.setattr("worker.cli.asking.ask", ask)

    text = run("why", "412").stdout

    assert text.startswith("web-412: ReadyToPromote (AwaitingPromote)\n")
    assert "the status shows" not in text
