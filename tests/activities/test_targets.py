"""Where a write goes: every source that matches, or none until the Environment names one."""

from dataclasses import replace
from typing import Any

import pytest

from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.targets import obstacle_of, target_of
from crds.reasons.conditions import ConditionReason
from providers.application_models import ApplicationState, HelmParameter
from providers.argocd.targets import patch_operations, values, with_tag
from tests.activities.fakes import NEW, OLD, OTHER, application, observe, place_of

SPEC = DeploymentSpec(
    name="web",
    component="web",
    wave=0,
    instance="argocd",
    project="shop",
    application="web-staging",
    write=WriteSpec(),
    repository="acme/web",
)
OURS = "https://scm.example/acme/web.git"
CHARTS = "https://charts.example"
HELM = WriteSpec(kind=WriteKind.HELM_PARAMETER, parameter="image.tag")
KUSTOMIZE = WriteSpec(kind=WriteKind.KUSTOMIZE_IMAGE, image="web")


def sourced(*urls: str, revisions: tuple[str, ...] = (), **changes: Any) -> ApplicationState:
    """Return an application of several sources that runs what they name."""
    found = revisions or (OLD,) * len(urls)
    return application(
        repo_urls=urls,
        source_paths=tuple(f"/spec/sources/{index}" for index, _ in enumerate(urls)),
        **{
            "target_revisions": found,
            "synced_revisions": found,
            "deployed_revisions": found,
            "operation_synced_revisions": found,
            **changes,
        },
    )


def written(write: WriteSpec, state: ApplicationState) -> list[str]:
    """Return the pointers that a write would replace."""
    return [one.pointer for one in values(target_of(replace(SPEC, write=write)), state)]


def obstacle(deployment: DeploymentSpec, state: ApplicationState) -> ConditionReason | None:
    """Return the reason why a write could not be made."""
    found = obstacle_of(deployment, place_of(deployment, state))
    return found.reason if found else None


def test_a_kustomize_image_is_replaced_in_its_place() -> None:
    deployment = replace(SPEC, write=WriteSpec(kind=WriteKind.KUSTOMIZE_IMAGE, image="web"))
    path = "/spec/sources/1/kustomize/images/1"
    state = application(
        kustomize_images=("db:1", "web=registry:5000/acme/web:old"),
        kustomize_paths=("/spec/sources/1/kustomize/images/0", path),
    )
    assert patch_operations(target_of(deployment), state, "new") == (
        {"op": "test", "path": path, "value": "web=registry:5000/acme/web:old"},
        {"op": "replace", "path": path, "value": "web=registry:5000/acme/web:new"},
    )


def test_a_helm_parameter_is_tested_by_name_and_value() -> None:
    deployment = replace(SPEC, write=WriteSpec(kind=WriteKind.HELM_PARAMETER, parameter="image.tag"))
    path = "/spec/source/helm/parameters/1"
    state = application(helm_parameters=(HelmParameter(name="image.tag", value="old", pointer=path),))
    assert patch_operations(target_of(deployment), state, "new") == (
        {"op": "test", "path": f"{path}/name", "value": "image.tag"},
        {"op": "test", "path": f"{path}/value", "value": "old"},
        {"op": "replace", "path": f"{path}/value", "value": "new"},
    )


def test_the_source_of_the_application_repository_is_written_among_several() -> None:
    state = application(
        target_revisions=("main", OLD),
        source_paths=("/spec/sources/0", "/spec/sources/1"),
        repo_urls=("https://scm.example/acme/values", "git@scm.example:acme/web.git"),
    )
    assert patch_operations(target_of(SPEC), state, NEW)[0]["path"] == "/spec/sources/1/targetRevision"


@pytest.mark.parametrize(
    ("url", "repository", "ours"),
    [
        ("https://scm.example/acme/web.git", "acme/web", True),
        ("git@scm.example:acme/web.git", "acme/web", True),
        ("https://scm.example/other-acme/web", "acme/web", False),
        ("https://bot@bitbucket.org/acme/web.git", "acme/web", True),
        ("git@bitbucket.org:acme/web.git", "acme/web", True),
        ("https://git.example.com/context/scm/shop/web.git", "SHOP/web", True),
        ("ssh://git@git.example.com:7999/shop/web.git", "SHOP/web", True),
        ("ssh://git@git.example.com:7999/~ada/web.git", "~ada/web", True),
        ("https://dev.azure.com/umbrella/acme/_git/web", "acme/web", True),
        ("https://umbrella@dev.azure.com/umbrella/acme/_git/web", "acme/web", True),
        ("git@ssh.dev.azure.com:v3/umbrella/acme/web", "acme/web", True),
        ("umbrella@vs-ssh.visualstudio.com:v3/umbrella/acme/web", "acme/web", True),
        ("https://umbrella.visualstudio.com/DefaultCollection/acme/_git/web", "acme/web", True),
        ("https://tfs.example.com:8443/tfs/Main/acme/_git/web", "acme/web", True),
        ("https://dev.azure.com/umbrella/My%20Shop/_git/web", "My Shop/web", True),
        ("https://dev.azure.com/umbrella/_git/web", "web/web", True),
        ("https://umbrella.visualstudio.com/_git/web", "web/web", True),
        ("https://dev.azure.com/umbrella/acme/_git/web", "web/web", False),
        ("https://dev.azure.com/umbrella/other/_git/web", "acme/web", False),
        ("https://dev.azure.com/umbrella/acme/_git/web/sub", "acme/web", False),
    ],
)
def test_a_source_is_ours_by_each_form_of_its_clone_address(url: str, repository: str, ours: bool) -> None:
    assert place_of(replace(SPEC, repository=repository), sourced(url)).foreign is not ours


def test_a_revision_is_never_written_to_another_repository() -> None:
    elsewhere = ("https://scm.example/acme/values", "https://scm.example/acme/charts")
    assert obstacle(SPEC, sourced(*elsewhere)) is ConditionReason.NO_SOURCE
    assert obstacle(SPEC, sourced(*elsewhere, "git@scm.example:acme/web.git")) is None


@pytest.mark.parametrize(
    ("entry", "image", "written_as"),
    [
        ("acme/web:1", "acme/web", "acme/web:2"),
        ("web=acme/web:1", "web", "web=acme/web:2"),
        ("host:5000/web", "host:5000/web", "host:5000/web:2"),
        ("acme/web@sha256:00", "acme/web", "acme/web:2"),
    ],
)
def test_every_form_of_a_kustomize_entry_takes_a_tag(entry: str, image: str, written_as: str) -> None:
    state = application(kustomize_images=("other:1", entry), kustomize_paths=("/0", "/1"))
    assert written(WriteSpec(kind=WriteKind.KUSTOMIZE_IMAGE, image=image), state) == ["/1"]
    assert with_tag(entry, "2") == written_as


def test_all_sources_of_our_repository_move_in_one_patch() -> None:
    state = sourced(OURS, CHARTS, OURS)
    replaced = [one["path"] for one in patch_operations(target_of(SPEC), state, NEW) if one["op"] == "replace"]
    assert replaced == ["/spec/sources/0/targetRevision", "/spec/sources/2/targetRevision"]
    assert obstacle(SPEC, state) is None


def test_sources_of_our_repository_that_run_different_revisions_have_not_arrived() -> None:
    seen = observe(SPEC, sourced(OURS, OURS, target_revisions=(NEW, NEW), synced_revisions=(NEW, OLD)))
    assert not seen.settled
    assert {seen.runs, seen.operating} == {OLD, NEW}
    assert observe(SPEC, sourced(OURS, OURS, revisions=(NEW, NEW))).settled


def test_sources_that_hold_different_values_are_ambiguous_until_one_is_named() -> None:
    state = sourced(OURS, OURS, revisions=(OLD, OTHER), source_names=("app", "base"), source_dirs=("deploy", "base"))
    found = obstacle_of(SPEC, place_of(SPEC, state))
    assert found is not None
    assert found.reason is ConditionReason.AMBIGUOUS
    # Neither of them counts as written, or the other one would be forgotten.
    assert observe(SPEC, state).written is None
    assert all(source in found.message for source in ("sources/0", "sources/1"))
    for named in (
        WriteSpec(source_name="base"),
        WriteSpec(source_path="/base/"),
        WriteSpec(source_position=2),
    ):
        assert obstacle(replace(SPEC, write=named), state) is None
        assert written(named, state) == ["/spec/sources/1/targetRevision"]
        assert observe(replace(SPEC, write=named), state).runs == OTHER


@pytest.mark.parametrize(
    "named", [WriteSpec(source_name="gone"), WriteSpec(source_position=3), WriteSpec(source_path="deploy")]
)
def test_a_named_source_that_fits_none_or_several_is_reported(named: WriteSpec) -> None:
    state = sourced(OURS, OURS, source_names=("app", "base"), source_dirs=("deploy", "deploy"))
    assert obstacle(replace(SPEC, write=named), state) is ConditionReason.NO_SOURCE


def test_a_helm_parameter_of_two_sources_is_ambiguous_even_with_one_value() -> None:
    found = tuple(
        HelmParameter(name="image.tag", value="1", pointer=f"/spec/sources/{index}/helm/parameters/0")
        for index in (0, 1)
    )
    state = sourced(CHARTS, CHARTS, helm_parameters=found, source_charts=("cache", "web"))
    assert obstacle(replace(SPEC, write=HELM), state) is ConditionReason.AMBIGUOUS
    named = replace(HELM, source_position=2)
    by_image = replace(SPEC, image="acme/web", tag="${revision}", write=named)
    shown = replace(state, images=(f"acme/web:{NEW}",), synced_revisions=("1", "2"))
    assert observe(by_image, shown).config_revision == "2"
    assert observe(replace(by_image, write=HELM), shown).config_revision is None
    assert obstacle(replace(SPEC, write=named), state) is None
    assert written(named, state) == ["/spec/sources/1/helm/parameters/0/value"]


@pytest.mark.parametrize(("other", "why"), [("web=acme/web:1", None), ("web=else/web:9", ConditionReason.AMBIGUOUS)])
def test_kustomize_entries_of_two_sources_move_together_only_where_they_are_the_same(
    other: str, why: ConditionReason | None
) -> None:
    paths = tuple(f"/spec/sources/{index}/kustomize/images/0" for index in (0, 1))
    state = sourced(OURS, OURS, kustomize_images=("web=acme/web:1", other), kustomize_paths=paths)
    assert obstacle(replace(SPEC, write=KUSTOMIZE), state) is why
    assert written(KUSTOMIZE, state) == list(paths)
    assert written(replace(KUSTOMIZE, source_position=1), state) == [paths[0]]


@pytest.mark.parametrize("url", [CHARTS, OURS])
def test_a_charts_version_is_never_replaced_by_a_commit(url: str) -> None:
    state = application(repo_urls=(url,), target_revisions=("1.2.3",), source_charts=("web",))
    assert obstacle(SPEC, state) is ConditionReason.NO_SOURCE
    assert "no commit" in observe(SPEC, state).problem
    assert patch_operations(target_of(SPEC), state, NEW) == ()
