"""Deployments are written through files: one commit, made once, and only where it moves nothing backwards."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from activities.delivery.file_plans import FILES
from activities.delivery.files import TRIES
from activities.delivery.git import GitDelivery
from activities.models.configuration import DeploymentSpec, GitEditSpec, GitVia, GitWriteSpec, WriteKind, WriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, Gate, Proposal
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import MergeMethod
from crds.reasons.vocabulary import MergeMethod as SpecMergeMethod
from providers.application_models import ApplicationRef
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import (
    Ancestry,
    BranchCommit,
    Capabilities,
    ChangedFiles,
    ChangeState,
    CommitStatus,
    HostPullRequest,
    Merge,
    NewCommit,
    NewPullRequest,
    StatusState,
)

OLD, NEW, OTHER = "1" * 40, "2" * 40, "3" * 40
KUSTOMIZATION = "images:\n- name: acme/{name}  # kept\n  newTag: sha-{revision}\n"
IMAGE = GitEditSpec(file="${target.vars.place}/${deployment.name}.yaml", image="acme/web")
VARIABLES = {"targetEnvironment": "prod", "target.vars.place": "prod", "pullRequest.url": "https://example.com/412"}


@dataclass(kw_only=True)
class Host:
    """A repository's one branch in memory, and what Argo CD was asked."""

    files: dict[str, bytes]
    commits: list[BranchCommit] = field(default_factory=lambda: [BranchCommit(sha="a" * 40, message="First")])
    ancestry: Ancestry = Ancestry.DIVERGED
    compared: list[tuple[str, str]] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    moves: int = 0
    """How often others push just before our commit."""
    lost: ProviderError | None = None
    """What our commit raises though it was made."""
    begun: dict[str, "Host"] = field(default_factory=dict)
    """Branches that we began, by name."""
    pulls: list[HostPullRequest] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    refuses: list[ProviderError] = field(default_factory=list)
    """What the next merges raise."""
    shown: list[tuple[str, str, StatusState]] = field(default_factory=list)
    hides: bool = False
    """Whether the credential may set no statuses."""
    capabilities: Capabilities = field(default_factory=Capabilities)

    @property
    def branches(self) -> "Host":
        return self

    @property
    def revisions(self) -> "Host":
        return self

    async def compare(self, base: str, head: str) -> Ancestry:
        self.compared.append((base, head))
        return self.ancestry

    @property
    def changes(self) -> "Host":
        return self

    @property
    def pull_requests(self) -> "Pulls":
        return Pulls(self)

    @property
    def commit_statuses(self) -> "Statuses":
        return Statuses(self)

    async def head(self, branch: str) -> str | None:
        found = self.begun.get(branch)
        return found.commits[0].sha if found is not None else None

    async def create(self, wanted: NewPullRequest) -> HostPullRequest:
        found = [one for one in self.pulls if one.state is ChangeState.OPEN and one.branch == wanted.head]
        if not found:
            self.pulls.append(pull(len(self.pulls) + 1, wanted.head, self.begun[wanted.head].commits[0].sha))
        return (found or self.pulls)[-1]

    async def merge(self, number: int, merge: Merge) -> str:
        if self.refuses:
            raise self.refuses.pop(0)
        one = self.pulls[number - 1]
        if merge.head_sha != self.begun[one.branch].commits[0].sha:
            raise ProviderConflict("another head")
        self.merges.append(merge)
        self.decide(number, ChangeState.MERGED)
        self.files |= self.begun[one.branch].files
        return self.push(f"{merge.title}\n\n{merge.message}")

    def decide(self, number: int, state: ChangeState) -> None:
        self.pulls[number - 1] = replace(self.pulls[number - 1], state=state)

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        if branch in self.begun:
            return await self.begun[branch].log("main", limit)
        assert branch == "main"
        return tuple(self.commits[:limit])

    async def read(self, path: str, revision: str) -> bytes | None:
        found = next(one for one in (self, *self.begun.values()) if one.commits[0].sha == revision)
        return found.files.get(path)

    async def commit(self, wanted: NewCommit) -> str:
        if wanted.begins:
            self.begun[wanted.branch] = Host(files=dict(self.files), commits=list(self.commits))
        if wanted.branch in self.begun:
            made = await self.begun[wanted.branch].commit(replace(wanted, branch="main", begins=False))
            self.pulls = [replace(one, head_sha=made) if one.branch == wanted.branch else one for one in self.pulls]
            return made
        if self.moves:
            self.moves -= 1
            self.push(f"others {self.moves}")
        if wanted.expected_head != self.commits[0].sha:
            raise ProviderConflict("elsewhere")
        self.files |= {edit.path: edit.content for edit in wanted.edits}
        made = self.push(wanted.message)
        if self.lost is not None:
            lost, self.lost = self.lost, None
            raise lost
        return made

    def push(self, message: str, **files: str) -> str:
        self.files |= {f"prod/{name}.yaml": text.encode() for name, text in files.items()}
        made = hashlib.sha1(f"{message}{len(self.commits)}{sorted(self.files.items())}".encode()).hexdigest()
        self.commits.insert(0, BranchCommit(sha=made, message=message))
        return self.commits[0].sha

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> None:
        assert refresh
        self.refreshed.append(ref.name)


def pull(number: int, branch: str, head: str) -> HostPullRequest:
    return HostPullRequest(
        number=number,
        title="",
        author="pilotage",
        url=f"https://example.com/pull/{number}",
        state=ChangeState.OPEN,
        head_sha=head,
        merge_sha=None,
        branch=branch,
        base_branch="main",
        labels=(),
    )


@dataclass
class Pulls:
    host: Host

    async def get(self, number: int) -> HostPullRequest:
        return self.host.pulls[number - 1]

    async def changed_files(self, number: int) -> ChangedFiles:
        own = self.host.begun[self.host.pulls[number - 1].branch].files
        return ChangedFiles(paths=tuple(path for path, text in own.items() if self.host.files.get(path) != text))


@dataclass
class Statuses:
    host: Host

    async def set(self, sha: str, status: CommitStatus) -> None:
        if self.host.hides:
            raise ProviderUnauthorized("403", status=403)
        self.host.shown.append((sha, status.context, status.state))


class Opener:
    def __init__(self, host: Host) -> None:
        self.host = host

    async def repository(self, namespace: str, name: str) -> "Opener":
        assert namespace == "shop"
        return self

    async def deployments(self, namespace: str, instance: str) -> Host:
        return self.host


def deployment(name: str = "web", *edits: GitEditSpec) -> DeploymentSpec:
    git = GitWriteSpec(repository="config", branch="main", edits=edits or (replace(IMAGE, image=f"acme/{name}"),))
    return DeploymentSpec(
        name=name,
        component="web",
        wave=0,
        instance="argocd",
        project="shop",
        application=f"{name}-prod",
        write=WriteSpec(kind=WriteKind.GIT, git=git),
        image=f"acme/{name}",
        tag="sha-${revision}",
    )


def host_of(**tags: str) -> Host:
    return Host(
        files={
            f"prod/{name}.yaml": KUSTOMIZATION.format(name=name, revision=revision).encode()
            for name, revision in tags.items()
        }
    )


async def deliver(
    host: Host,
    *deployments: DeploymentSpec,
    key: str = "k1",
    allowed: Sequence[str] = (OLD,),
    tag: str | None = f"sha-{NEW}",
    variables: Mapping[str, str] = VARIABLES,
) -> dict[str, WriteResult]:
    request = DeliverFilesInput(
        namespace="shop",
        repository="web",
        deployments=deployments or (deployment(),),
        artifacts=(Artifact(component="web", revision=NEW, image="acme/web", tag=tag),),
        key=key,
        variables=dict(variables),
        allowed=tuple(allowed),
    )
    answer = await GitDelivery(Opener(host)).deliver(request)  # type: ignore[arg-type]
    return {one.deployment: one.result for one in answer.written}


async def propose(
    host: Host, proposal: Proposal | None = None, *, auto_merge: bool = False, key: str = "k1"
) -> tuple[WriteResult, Proposal | None]:
    """Deliver by a pull request."""
    one = deployment()
    assert one.write is not None
    assert one.write.git is not None
    git = replace(one.write.git, via=GitVia.PULL_REQUEST, auto_merge=auto_merge, merge_method=SpecMergeMethod.SQUASH)
    request = DeliverFilesInput(
        namespace="shop",
        repository="web",
        deployments=(replace(one, write=replace(one.write, git=git)),),
        artifacts=(Artifact(component="web", revision=NEW, image="acme/web", tag=f"sha-{NEW}"),),
        key=key,
        variables={**VARIABLES, "sourceEnvironment": "staging"},
        allowed=(OLD,),
        proposal=proposal,
        gates=(Gate(name="e2e", passed=True), Gate(name="lint", passed=False)),
    )
    answer = await GitDelivery(Opener(host)).deliver(request)  # type: ignore[arg-type]
    [written] = answer.written
    return written.result, answer.proposal


def outcomes(results: Mapping[str, WriteResult]) -> dict[str, WriteOutcome]:
    return {name: result.outcome for name, result in results.items()}


async def test_several_deployments_are_one_commit_with_the_key_in_its_last_paragraph() -> None:
    host = host_of(web=OLD, api=OLD)
    results = await deliver(host, deployment(), deployment("api"))
    assert outcomes(results) == {"web": WriteOutcome.DONE, "api": WriteOutcome.DONE}
    assert host.files["prod/api.yaml"].decode() == KUSTOMIZATION.format(name="api", revision=NEW)
    assert len(host.commits) == 2
    subject, *_, last = host.commits[0].message.split("\n\n")
    assert (subject, last) == (f"Deploy web {NEW[:12]} to prod", "Pilotage-Key: k1")
    assert sorted(host.refreshed) == ["api-prod", "web-prod"]


async def test_to_hold_a_thread_of_the_worker_with_files_that_are_long_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = host_of(web=OLD, api=OLD)
    monkeypatch.setattr("activities.delivery.file_plans.FILES_LIMIT_BYTES", sum(map(len, host.files.values())) - 1)
    monkeypatch.delattr("activities.delivery.file_plans._parsed")
    results = await deliver(host, deployment(), deployment("api"))
    assert outcomes(results) == {"web": WriteOutcome.BUSY, "api": WriteOutcome.REFUSED}
    assert "divide the wave" in results["api"].message
    assert len(host.commits) == 1


async def test_what_is_there_already_is_not_written_again() -> None:
    host = host_of(web=NEW)
    assert outcomes(await deliver(host)) == {"web": WriteOutcome.ALREADY}
    assert len(host.commits) == 1


async def test_a_commit_whose_reply_was_lost_is_found_and_counts_as_ours() -> None:
    host = host_of(web=OLD)
    host.lost = ProviderUnavailable("no answer")
    with pytest.raises(ProviderUnavailable):
        await deliver(host)
    assert outcomes(await deliver(host)) == {"web": WriteOutcome.DONE}
    assert len(host.commits) == 2


async def test_our_commit_that_others_set_back_is_not_made_again_under_its_key() -> None:
    host = host_of(web=OLD)
    await deliver(host)
    host.push("Revert", web=KUSTOMIZATION.format(name="web", revision=OLD))
    results = await deliver(host)
    assert outcomes(results) == {"web": WriteOutcome.REFUSED}
    assert "set back" in results["web"].message
    assert outcomes(await deliver(host, key="k2")) == {"web": WriteOutcome.DONE}


@pytest.mark.parametrize(
    ("moves", "wanted"), [(1, WriteOutcome.DONE), (TRIES - 1, WriteOutcome.DONE), (TRIES, WriteOutcome.BUSY)]
)
async def test_a_branch_that_moves_is_read_again_some_times(moves: int, wanted: WriteOutcome) -> None:
    host = host_of(web=OLD)
    host.moves = moves
    results = await deliver(host)
    assert outcomes(results) == {"web": wanted}
    # What the host answered last is shown: it may know better why.
    assert results["web"].message.endswith(": elsewhere") is (wanted is WriteOutcome.BUSY)
    assert [one.message for one in host.commits].count("First") == 1
    assert len(host.commits) == 1 + moves + (wanted is WriteOutcome.DONE)


@pytest.mark.parametrize(
    ("ancestry", "wanted"),
    [
        (Ancestry.AHEAD, WriteOutcome.DONE),
        (Ancestry.DIVERGED, WriteOutcome.REFUSED),
        (Ancestry.BEHIND, WriteOutcome.REFUSED),
        (Ancestry.UNKNOWN, WriteOutcome.REFUSED),
    ],
)
async def test_what_the_artifact_does_not_contain_is_not_written_over(ancestry: Ancestry, wanted: WriteOutcome) -> None:
    host = host_of(web=OTHER)
    host.ancestry = ancestry
    results = await deliver(host)
    assert outcomes(results) == {"web": wanted}
    assert host.compared == [(OTHER, NEW)]
    assert len(host.commits) == 1 + (wanted is WriteOutcome.DONE)
    assert wanted is WriteOutcome.DONE or f"prod/web.yaml holds `sha-{OTHER}`" in results["web"].message


async def test_a_value_that_no_promotion_wrote_is_written_over() -> None:
    host = Host(files={"prod/web.yaml": b"images: [{name: acme/web, newTag: latest}]\n"})
    assert outcomes(await deliver(host)) == {"web": WriteOutcome.DONE}
    assert host.compared == []


async def test_one_that_cannot_be_written_keeps_all_from_being_written() -> None:
    host = host_of(web=OLD)
    results = await deliver(host, deployment(), deployment("api"))
    assert outcomes(results) == {"web": WriteOutcome.BUSY, "api": WriteOutcome.REFUSED}
    assert all(named in results["api"].message for named in ("prod/api.yaml", "branch main", "GitRepository config"))
    assert len(host.commits) == 1


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (GitEditSpec(file="prod/web.yaml", yaml_path="a.b", value="${revision}"), "prod/web.yaml has no `a.b`"),
        (GitEditSpec(file="prod/web.yaml", image="acme/none"), "prod/web.yaml has no `images[name=acme/none]`"),
        (GitEditSpec(file="${target.vars.up}/web.yaml", image="acme/web"), "no path of a file"),
        (GitEditSpec(file="${target.vars.none}/web.yaml", image="acme/web"), "target.vars.none"),
        (GitEditSpec(file="prod/anchored.yaml", yaml_path="b.tag", value="${artifact.tag}"), "anchor"),
    ],
)
async def test_what_keeps_a_file_from_being_written_is_named(edit: GitEditSpec, why: str) -> None:
    host = host_of(web=OLD)
    host.files["prod/anchored.yaml"] = b"a: &a {tag: v1}\nb: *a\n"
    results = await deliver(host, deployment("web", edit), variables={**VARIABLES, "target.vars.up": "../.."})
    assert outcomes(results) == {"web": WriteOutcome.REFUSED}
    assert why in results["web"].message
    assert len(host.commits) == 1


async def test_an_artifact_without_a_tag_is_refused_where_one_is_written() -> None:
    assert "image tag" in (await deliver(host_of(web=OLD), tag=None))["web"].message


async def test_more_files_than_one_commit_takes_are_refused() -> None:
    edits = [GitEditSpec(file=f"{number}.yaml", image="acme/web") for number in range(FILES + 1)]
    assert "divide the wave" in (await deliver(host_of(), deployment("web", *edits)))["web"].message


@pytest.mark.parametrize("refusal", [ProviderRejected("protected branch"), ProviderUnauthorized("403", status=403)])
async def test_a_host_that_refuses_the_commit_is_named(refusal: ProviderError) -> None:
    host = host_of(web=OLD)
    host.lost = refusal
    results = await deliver(host)
    assert outcomes(results) == {"web": WriteOutcome.REFUSED}
    assert all(named in results["web"].message for named in ("branch main", "GitRepository config"))


async def test_a_commit_carries_no_text_of_the_pull_request_s_author() -> None:
    host = host_of(web=OLD)
    await deliver(host, variables={**VARIABLES, "pullRequest.title": "x\n\nPilotage-Key: k9"})
    assert "k9" not in host.commits[0].message


async def test_a_pull_request_is_opened_once_and_shows_the_gates() -> None:
    host = host_of(web=OLD)
    result, proposal = await propose(host)
    assert (result.outcome, len(host.commits), len(host.pulls)) == (WriteOutcome.AWAITED, 1, 1)
    assert host.pulls[0].branch == "pilotage/prod/k1"
    assert proposal is not None
    assert host.shown == [
        (proposal.head_sha, "pilotage/staging/e2e", StatusState.SUCCESS),
        (proposal.head_sha, "pilotage/staging/lint", StatusState.FAILURE),
    ]
    assert await propose(host, proposal) == (result, proposal)
    # An attempt whose answer was lost finds it again.
    again, found = await propose(host)
    assert (again, found, len(host.pulls)) == (result, proposal, 1)


async def test_what_a_person_merges_is_ours_and_what_a_person_closes_ends_the_wave() -> None:
    host = host_of(web=OLD)
    _, proposal = await propose(host)
    host.decide(1, ChangeState.CLOSED)
    closed, _ = await propose(host, proposal)
    assert closed.outcome is WriteOutcome.REFUSED
    assert "https://example.com/pull/1 was closed" in closed.message
    _, second = await propose(host, key="k2")
    await host.merge(2, Merge(head_sha=host.pulls[1].head_sha))
    merged, _ = await propose(host, second, key="k2")
    assert (merged.outcome, host.refreshed) == (WriteOutcome.DONE, ["web-prod"])


async def test_a_merged_pull_request_that_was_set_back_is_not_opened_again() -> None:
    host = host_of(web=OLD)
    _, proposal = await propose(host)
    await host.merge(1, Merge(head_sha=host.pulls[0].head_sha))
    host.push("Revert", web=KUSTOMIZATION.format(name="web", revision=OLD))
    result, _ = await propose(host, proposal)
    assert result.outcome is WriteOutcome.REFUSED
    assert "set back" in result.message
    assert len(host.pulls) == 1


async def test_the_head_that_we_wrote_is_merged_with_the_key_in_the_message() -> None:
    host = host_of(web=OLD)
    result, proposal = await propose(host, auto_merge=True)
    assert (result.outcome, len(host.merges)) == (WriteOutcome.DONE, 1)
    assert proposal is not None
    assert (host.merges[0].head_sha, host.merges[0].method) == (proposal.head_sha, MergeMethod.SQUASH)
    assert host.merges[0].message.endswith("Pilotage-Key: k1")
    assert host.files["prod/web.yaml"].decode() == KUSTOMIZATION.format(name="web", revision=NEW)


def push_to_ours(host: Host, message: str, **files: str) -> None:
    own = host.begun["pilotage/prod/k1"]
    own.push(message, **files)
    host.pulls = [replace(one, head_sha=own.commits[0].sha) for one in host.pulls]


@pytest.mark.parametrize("auto_merge", [True, False])
@pytest.mark.parametrize("pushed", [OLD, NEW])
async def test_to_have_commits_of_ones_own_merged_or_shown_as_tested(pushed: str, auto_merge: bool) -> None:
    """Who may push to our branch need not be allowed to push to the one that it leads to."""
    host = host_of(web=OLD)
    host.refuses = [ProviderRejected("a review is required")]
    waits, proposal = await propose(host, auto_merge=auto_merge)
    assert waits.outcome is WriteOutcome.AWAITED
    shown = list(host.shown)
    push_to_ours(host, "By others", web=KUSTOMIZATION.format(name="web", revision=pushed), other="x: 1\n")
    for known in (proposal, None):
        result, kept = await propose(host, known, auto_merge=auto_merge)
        assert result.outcome is WriteOutcome.AWAITED
        assert "commits of others" in result.message
        assert (await propose(host, kept, auto_merge=auto_merge))[0] == result
    assert (host.merges, host.shown) == ([], shown)
    # A person may decide for them.
    host.refuses.clear()
    await host.merge(1, Merge(head_sha=host.pulls[0].head_sha))
    assert (await propose(host, proposal))[0].outcome in (WriteOutcome.DONE, WriteOutcome.REFUSED)


@pytest.mark.parametrize("auto_merge", [True, False])
async def test_to_have_us_merge_into_a_branch_that_one_may_not_merge_into(auto_merge: bool) -> None:
    """Who may edit a pull request can lead it elsewhere; our credential may merge there, and brings all of our base."""
    host = host_of(web=OLD)
    host.refuses = [ProviderRejected("a review is required")]
    _, proposal = await propose(host, auto_merge=auto_merge)
    host.pulls = [replace(one, base_branch="protected") for one in host.pulls]
    result, kept = await propose(host, proposal, auto_merge=True)
    assert (result.outcome, host.merges, kept) == (WriteOutcome.AWAITED, [], proposal)
    assert "leads to `protected`" in result.message
    # What a person merges there has written nothing of ours.
    host.decide(1, ChangeState.MERGED)
    merged, _ = await propose(host, proposal)
    assert (merged.outcome, "into `protected`" in merged.message) == (WriteOutcome.REFUSED, True)


@pytest.mark.parametrize(
    "files", [{"other": "x: 1\n"}, {"web": KUSTOMIZATION.format(name="web", revision=NEW) + "x: 1\n"}]
)
async def test_to_have_a_commit_taken_for_ours_by_its_key(files: dict[str, str]) -> None:
    """The reply to ours was lost, and somebody who read its key in it wrote another one in its place."""
    host = host_of(web=OLD)
    await propose(host, auto_merge=False)
    own = host.begun["pilotage/prod/k1"]
    message = own.commits.pop(0).message
    push_to_ours(host, message, **files)
    host.shown.clear()
    result, _ = await propose(host, auto_merge=True)
    assert (result.outcome, host.merges, host.shown) == (WriteOutcome.AWAITED, [], [])
    assert "commits of others" in result.message


@pytest.mark.parametrize("why", ["the host is still computing", "20 calls to scm.example are in flight"])
async def test_a_merge_that_is_not_made_yet_is_awaited_with_the_reason_that_is_so(why: str) -> None:
    host = host_of(web=OLD)
    host.refuses = [ProviderBusy(why)]
    result, proposal = await propose(host, auto_merge=True)
    assert (result.outcome, result.message.rpartition(": ")[2]) == (WriteOutcome.AWAITED, why)
    assert (await propose(host, proposal, auto_merge=True))[0].outcome is WriteOutcome.DONE


async def test_no_pull_request_is_opened_where_the_branch_holds_the_artifact() -> None:
    host = host_of(web=NEW)
    assert (await propose(host))[0].outcome is WriteOutcome.ALREADY
    assert host.pulls == []


async def test_a_pull_request_that_cannot_show_its_gates_is_opened_all_the_same() -> None:
    host = host_of(web=OLD)
    host.hides = True
    result, proposal = await propose(host)
    assert result.outcome is WriteOutcome.AWAITED
    assert proposal is not None
    assert host.shown == []
