"""What the Temporal UI shows of each workflow: commands to paste, with kinds that kubectl takes for no other."""

import shlex

import pytest

from activities.models.credential_checks import CheckedResource
from activities.models.drift import InstanceRef
from activities.models.repository_sync import RepositoryRef
from activities.models.tracking import TrackerRef, TrackerSpec
from crds.group import in_full
from crds.v1alpha1.kinds import BY_KIND, CONNECTED
from worker.temporal import pages

PAGES = {
    "PullRequestTracker": pages.promotion_page(
        TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1),
        TrackerSpec(repository="web", number=412, environment="dev"),
    ),
    "Environment": pages.place_page("shop", "prod", "web"),
    "GitRepository": pages.repository_page(RepositoryRef(namespace="shop", name="web", uid="u")),
    "DriftMonitor": pages.drift_page(InstanceRef(namespace="shop", name="argocd", uid="u")),
}


def commands(page: str, program: str) -> list[list[str]]:
    """Return the parts of the commands of a page."""
    return [shlex.split(line) for line in page.splitlines() if line.startswith(f"{program} ")]


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_shows_its_object_by_the_kind_in_full(kind: str) -> None:
    [shown] = commands(PAGES[kind], "kubectl")
    assert shown[:3] == ["kubectl", "-n", "shop"]
    assert shown[4] == in_full(kind)
    assert all(line[:3] == ["pilotage", "-n", "shop"] for line in commands(PAGES[kind], "pilotage"))


@pytest.mark.parametrize("kind", sorted(kind.definition.kind for kind in CONNECTED))
def test_a_credential_check_shows_its_resource_and_none_of_flux(kind: str) -> None:
    namespace = "" if BY_KIND[kind].definition.scope == "Cluster" else "shop"
    resource = CheckedResource(kind=kind, namespace=namespace, name="ours", uid="u")
    [shown] = commands(pages.credential_check_page(resource), "kubectl")
    assert shown == ["kubectl", *(["-n", "shop"] if namespace else []), "describe", in_full(kind), "ours"]
