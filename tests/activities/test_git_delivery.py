"""Deployments are written through files: one commit, made once, and only where it moves nothing backwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from activities.git_delivery import FILES, TRIES, GitDelivery
from activities.models.configuration import DeploymentSpec, GitEditSpec, GitWriteSpec, WriteKind, WriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput
from activities.models.tracking import Artifact
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import Ancestry, ApplicationRef, BranchCommit, NewCommit

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

    @property
    def branches(self) -> "Host":
        return self

    @property
    def revisions(self) -> "Host":
        return self

    async def compare(self, base: str, head: str) -> Ancestry:
        self.compared.append((base, head))
        return self.ancestry

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        assert branch == "main"
        return tuple(self.commits[:limit])

    async def read(self, path: str, revision: str) -> bytes | None:
        assert revision == self.commits[0].sha
        return self.files.get(path)

    async def commit(self, wanted: NewCommit) -> str:
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
        self.commits.insert(0, BranchCommit(sha=f"{len(self.commits):040x}", message=message))
        return self.commits[0].sha

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> None:
        assert refresh
        self.refreshed.append(ref.name)


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
    assert "was set back" in results["web"].message
    assert outcomes(await deliver(host, key="k2")) == {"web": WriteOutcome.DONE}


@pytest.mark.parametrize(
    ("moves", "wanted"), [(1, WriteOutcome.DONE), (TRIES - 1, WriteOutcome.DONE), (TRIES, WriteOutcome.BUSY)]
)
async def test_a_branch_that_moves_is_read_again_some_times(moves: int, wanted: WriteOutcome) -> None:
    host = host_of(web=OLD)
    host.moves = moves
    assert outcomes(await deliver(host)) == {"web": wanted}
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
    assert results["api"].message == "prod/api.yaml does not exist in branch main of GitRepository config"
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
    assert "branch main of GitRepository config cannot be written" in results["web"].message


async def test_a_commit_carries_no_word_of_the_pull_request_s_author() -> None:
    host = host_of(web=OLD)
    await deliver(host, variables={**VARIABLES, "pullRequest.title": "x\n\nPilotage-Key: k9"})
    assert "k9" not in host.commits[0].message
