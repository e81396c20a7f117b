"""Deployments are written through files at every host that writes any: adapter, stand-in and delivery together."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from activities.delivery.git import GitDelivery
from activities.models.configuration import GitVia
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, Gate, Proposal
from activities.models.tracking import Artifact
from deploy.local.sandbox import seed
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.server import running_sandbox
from providers.application_models import ApplicationRef
from providers.http import HttpClients, HttpOptions
from providers.models import ChangeState
from providers.ports import ScmHost
from tests.activities.test_git_delivery import KUSTOMIZATION, NEW, OLD, VARIABLES, deployment
from tests.providers.test_sandbox_contract import SCM_HOSTS, WRITING_AT

FILE = "prod/web.yaml"


@dataclass
class World:
    """One repository at one host."""

    host: ScmHost
    repository: Repository

    async def repository_of(self, _namespace: str, _name: str) -> "World":
        return self

    async def deployments(self, _namespace: str, _instance: str) -> "World":
        return self

    async def get(self, _ref: ApplicationRef, *, refresh: bool = False) -> None:
        assert refresh

    @property
    def main(self) -> str:
        return self.repository.graph.branches["main"]

    @property
    def text(self) -> str:
        return self.repository.graph.commits[self.main].tree[FILE]


class Opener:
    def __init__(self, world: World) -> None:
        self.repository = world.repository_of
        self.deployments = world.deployments


@pytest_asyncio.fixture(params=[name for name in WRITING_AT if " by " not in name])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    clients = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    async with running_sandbox() as sandbox:
        repository = sandbox.state.github.repositories[seed.REPOSITORY]
        before = repository.graph.branches["main"]
        files: dict[str, str | None] = {FILE: KUSTOMIZATION.format(name="web", revision=OLD)}
        repository.graph.branches["main"] = repository.graph.add(parents=[before], message="Begin", files=files).sha
        yield World(host=SCM_HOSTS[str(request.param)](sandbox.url, clients, True), repository=repository)
        await clients.aclose()


async def deliver(
    world: World, via: GitVia, proposal: Proposal | None = None, *, auto_merge: bool = False
) -> tuple[WriteResult, Proposal | None]:
    one = deployment()
    assert one.write is not None
    assert one.write.git is not None
    git = replace(one.write.git, via=via, auto_merge=auto_merge)
    request = DeliverFilesInput(
        namespace="shop",
        repository="web",
        deployments=(replace(one, write=replace(one.write, git=git)),),
        artifacts=(Artifact(component="web", revision=NEW, image="acme/web", tag=f"sha-{NEW}"),),
        key="k1",
        variables={**VARIABLES, "sourceEnvironment": "staging"},
        allowed=(OLD,),
        proposal=proposal,
        gates=(Gate(name="e2e", passed=True),),
    )
    answer = await GitDelivery(Opener(world)).deliver(request)  # type: ignore[arg-type]
    [written] = answer.written
    return written.result, answer.proposal


async def test_a_commit_is_made_once_with_its_key(world: World) -> None:
    result, _ = await deliver(world, GitVia.COMMIT)
    made = world.main
    assert (result.outcome, world.text) == (WriteOutcome.DONE, KUSTOMIZATION.format(name="web", revision=NEW))
    assert world.repository.graph.commits[made].message.rstrip().endswith("Pilotage-Key: k1")
    again, _ = await deliver(world, GitVia.COMMIT)
    # An attempt whose answer was lost finds what it made.
    assert (again.outcome, world.main) == (WriteOutcome.DONE, made)


async def test_a_pull_request_shows_the_gates_and_its_tested_head_is_merged(world: World) -> None:
    before = world.main
    result, proposal = await deliver(world, GitVia.PULL_REQUEST)
    assert (result.outcome, world.main) == (WriteOutcome.AWAITED, before)
    assert proposal is not None
    opened = world.repository.pulls[proposal.number]
    assert (opened.head_ref, opened.head_sha, opened.base_ref) == ("pilotage/prod/k1", proposal.head_sha, "main")
    shown = {row["context"]: row["state"] for row in world.repository.statuses[proposal.head_sha]}
    assert shown == {"pilotage/staging/e2e": "success"}
    merged, _ = await deliver(world, GitVia.PULL_REQUEST, proposal, auto_merge=True)
    assert (merged.outcome, world.text) == (WriteOutcome.DONE, KUSTOMIZATION.format(name="web", revision=NEW))
    assert (await world.host.pull_requests.get(proposal.number)).state is ChangeState.MERGED
    assert len(world.repository.pulls) == 2


async def test_a_branch_that_an_attempt_began_gets_its_commit(world: World) -> None:
    """At some hosts to begin a branch is a call of its own, behind which a worker may be killed."""
    before = world.main
    world.repository.graph.branches["pilotage/prod/k1"] = before
    result, proposal = await deliver(world, GitVia.PULL_REQUEST)
    assert (result.outcome, world.main) == (WriteOutcome.AWAITED, before)
    assert proposal is not None
    commit = world.repository.graph.commits[proposal.head_sha]
    assert (commit.parents, commit.tree[FILE]) == ((before,), KUSTOMIZATION.format(name="web", revision=NEW))
    merged, _ = await deliver(world, GitVia.PULL_REQUEST, proposal, auto_merge=True)
    assert merged.outcome is WriteOutcome.DONE
