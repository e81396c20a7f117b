"""One branch is merged into another at every host: adapter, stand-in and delivery together."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from activities.delivery.git import GitDelivery
from activities.models.configuration import BranchWriteSpec, WriteKind, WriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, Gate, Proposal
from activities.models.tracking import Artifact
from deploy.local.sandbox import seed
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.server import Sandbox, running_sandbox
from providers.application_models import ApplicationRef
from providers.http import HttpClients, HttpOptions
from providers.models import ChangeState, Merge, NewPullRequest
from providers.ports import PullRequestChanges, ScmHost
from tests.activities.test_git_delivery import NEW, deployment
from tests.providers.test_sandbox_contract import CHANGING_AT, SCM_HOSTS

SOURCE, TARGET = "env/staging-next", "env/staging"
BRANCH = BranchWriteSpec(repository="config", source=SOURCE, target=TARGET, auto_merge=True)
DECLARED = replace(BRANCH, title="Deploy ${pullRequest.title}", body="To ${targetEnvironment}", labels=("env",))
PENDING, PASSED = Gate(name="e2e", passed=False, pending=True), Gate(name="e2e", passed=True)
CONTEXT = "pilotage/dev/e2e"


@dataclass
class World:
    """One repository at one host, with a branch that is to be promoted."""

    host: ScmHost
    sandbox: Sandbox
    repository: Repository

    async def repository_of(self, _namespace: str, _name: str) -> "World":
        return self

    async def deployments(self, _namespace: str, _instance: str) -> "World":
        return self

    async def get(self, _ref: ApplicationRef, *, refresh: bool = False) -> None:
        assert refresh

    @property
    def changes(self) -> PullRequestChanges:
        assert self.host.changes is not None
        return self.host.changes

    def push(self, branch: str, message: str) -> str:
        """Put a commit on a branch; the first one begins it."""
        graph = self.repository.graph
        parent = graph.branches.get(branch, graph.branches["main"])
        made = graph.add(parents=[parent], message=message, files={"web.yaml": message}).sha
        self.sandbox.state.push(self.repository, branch, made)
        return made

    def contains(self, sha: str) -> bool:
        """Return whether the target contains a commit."""
        graph = self.repository.graph
        return sha in graph.contained_in(graph.branches[TARGET])

    async def deliver(
        self,
        write: BranchWriteSpec = BRANCH,
        *gates: Gate,
        proposal: Proposal | None = None,
        prepares: bool = False,
        retried: bool = False,
        artifact: str = NEW,
    ) -> tuple[WriteResult, Proposal | None]:
        """Deliver, as often as the host computes still whether it may merge."""
        one = replace(deployment(), write=WriteSpec(kind=WriteKind.BRANCH, branch=write))
        request = DeliverFilesInput(
            namespace="shop",
            repository="web",
            deployments=(one,),
            artifacts=(Artifact(component="web", revision=artifact),),
            key="k1",
            variables={
                "sourceEnvironment": "dev",
                "targetEnvironment": "staging",
                "pullRequest.title": "a *title*",
            },
            proposal=proposal,
            gates=gates,
            prepares=prepares,
            retried=retried,
        )
        opener = Opener(self)
        answer = await GitDelivery(opener).deliver(request)  # type: ignore[arg-type]
        [written] = answer.written
        return written.result, answer.proposal


class Opener:
    def __init__(self, world: World) -> None:
        self.repository = world.repository_of
        self.deployments = world.deployments


@pytest_asyncio.fixture(params=CHANGING_AT)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async for one in _world(str(request.param)):
        yield one


@pytest_asyncio.fixture
async def at_github() -> AsyncIterator[World]:
    async for one in _world("github"):
        yield one


async def _world(name: str) -> AsyncIterator[World]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    async with running_sandbox() as sandbox:
        repository = sandbox.state.github.repositories[seed.REPOSITORY]
        made = World(host=SCM_HOSTS[name](sandbox.url, clients, True), sandbox=sandbox, repository=repository)
        made.push(TARGET, "Before")
        repository.graph.branches[SOURCE] = repository.graph.branches[TARGET]
        yield made
        await clients.aclose()


def statuses(world: World, sha: str) -> Sequence[str]:
    """Return how the gate stood on a commit, oldest first."""
    return [row["state"] for row in world.repository.statuses.get(sha, []) if row["context"] == CONTEXT]


async def test_what_was_tested_is_merged_with_its_gates_shown(world: World) -> None:
    head = world.push(SOURCE, "After")
    first, proposal = await world.deliver(DECLARED, PENDING, prepares=True)
    assert (first.outcome, world.contains(head)) == (WriteOutcome.AWAITED, False)
    assert proposal is not None
    assert proposal.head_sha == head
    merged, _ = await world.deliver(DECLARED, PASSED, proposal=proposal)
    assert (merged.outcome, world.contains(head)) == (WriteOutcome.DONE, True)
    opened = world.repository.pulls[proposal.number]
    assert (opened.title, "To staging" in (opened.body or "")) == ("Deploy a *title*", True)
    assert ("env" in opened.labels) is world.host.capabilities.labels
    assert statuses(world, head)[-1:] == ["success"]
    again, _ = await world.deliver(DECLARED, PASSED, proposal=proposal)
    # An attempt whose answer was lost finds it merged.
    assert again.outcome is WriteOutcome.DONE


async def test_a_tested_merge_costs_five_calls(at_github: World) -> None:
    world = at_github
    world.push(SOURCE, "After")
    _, proposal = await world.deliver(BRANCH, PENDING, prepares=True)
    merged, _ = await world.deliver(BRANCH, PASSED, proposal=proposal)
    asked = [entry["method"] for entry in world.sandbox.state.journal.entries()]
    assert (merged.outcome, asked) == (WriteOutcome.DONE, ["POST", "POST", "GET", "POST", "PUT"])


async def test_a_push_between_test_and_merge_is_not_merged(world: World) -> None:
    head = world.push(SOURCE, "After")
    _, proposal = await world.deliver(BRANCH, PENDING, prepares=True)
    pushed = world.push(SOURCE, "Others")
    result, _ = await world.deliver(BRANCH, PASSED, proposal=proposal)
    assert result.outcome is WriteOutcome.HEAD_MOVED
    assert (pushed[:12] in result.message, head[:12] in result.message) == (True, True)
    assert (world.contains(head), statuses(world, pushed)) == (False, [])
    # `retry` takes the branch as it is then.
    retried, _ = await world.deliver(BRANCH, PASSED, retried=True)
    assert (retried.outcome, world.contains(pushed)) == (WriteOutcome.DONE, True)


async def test_a_person_may_merge_or_close_it(world: World) -> None:
    head = world.push(SOURCE, "After")
    waits, proposal = await world.deliver(replace(BRANCH, auto_merge=False))
    assert (waits.outcome, world.contains(head)) == (WriteOutcome.AWAITED, False)
    assert proposal is not None
    await world.changes.merge(proposal.number, Merge(head_sha=head))
    done, _ = await world.deliver(replace(BRANCH, auto_merge=False), proposal=proposal)
    assert done.outcome is WriteOutcome.DONE
    nothing, _ = await world.deliver()
    # It is on its way, or somebody has yet to push it.
    assert nothing.outcome is WriteOutcome.BUSY
    later = world.push(SOURCE, "Later")
    _, proposal = await world.deliver(replace(BRANCH, auto_merge=False))
    assert proposal is not None
    await world.changes.close(proposal.number)
    closed, _ = await world.deliver(proposal=proposal)
    assert (closed.outcome, world.contains(later)) == (WriteOutcome.REFUSED, False)


async def test_one_of_others_is_adopted_and_kept_as_declared(at_github: World) -> None:
    world = at_github
    head = world.push(SOURCE, "After")
    theirs = await world.changes.create(NewPullRequest(head=SOURCE, base=TARGET, title="theirs", body="theirs"))
    waiting = replace(DECLARED, auto_merge=False)
    _, proposal = await world.deliver(waiting, PASSED)
    opened = world.repository.pulls[theirs.number]
    assert proposal is not None
    assert (proposal.number, opened.title, opened.body) == (theirs.number, "Deploy a *title*", "To staging")
    opened.title, opened.labels = "changed", []
    await world.deliver(waiting, PASSED, proposal=proposal)
    assert (opened.title, opened.labels) == ("Deploy a *title*", ["env"])
    # What is shown already is not sent again.
    assert statuses(world, head) == ["success"]


async def test_in_the_application_repository_only_the_commit_that_ran_is_merged(at_github: World) -> None:
    world, own = at_github, replace(BRANCH, repository="web")
    tested = world.push(SOURCE, "After")
    moved, _ = await world.deliver(own, artifact=NEW)
    assert (moved.outcome, world.contains(tested)) == (WriteOutcome.HEAD_MOVED, False)
    done, _ = await world.deliver(own, artifact=tested)
    assert (done.outcome, world.contains(tested)) == (WriteOutcome.DONE, True)
    assert (await world.host.pull_requests.get(max(world.repository.pulls))).state is ChangeState.MERGED


async def test_a_branch_that_is_missing_is_named(at_github: World) -> None:
    result, _ = await at_github.deliver(replace(BRANCH, source="nowhere"))
    assert result.outcome is WriteOutcome.REFUSED
    assert "nowhere" in result.message
