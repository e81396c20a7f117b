"""ClusterScmProvider: an SCM host and a credential, for the namespaces that it allows."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import LabelSelector
from crds.model import Definition, Model, Scope
from crds.paths import matches_name
from crds.resource import Resource
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_host import ScmProviderSpec
from crds.v1alpha1.scm_provider import PROVIDER_COLUMNS, ScmProviderStatus

_ID = re.compile(r"[0-9a-f]{32}")
_ID_MARKS = str.maketrans("", "", "{}()-")


class AllowedRepositories(Model):
    """Repositories that some of the allowed namespaces may use the credential for."""

    namespaces: LabelSelector | None = None
    """The allowed namespaces that the patterns are for, by their labels; none means all of them."""
    patterns: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(min_length=1, max_length=100)
    ]
    """Full names at the host, such as `acme/web`; `*` stands for any text without `/`, `**` for any number of parts.
    Upper and lower case count as the same."""


class ClusterScmProviderSpec(ScmProviderSpec):
    """Exactly one host, its credential, and who may use it."""

    allowed_namespaces: LabelSelector = LabelSelector()
    """Namespaces whose repositories may use the credential, by their labels; empty means none."""
    repositories: Annotated[tuple[AllowedRepositories, ...], Field(max_length=100)] = ()
    """Repositories that these namespaces may use the credential for; empty means every one that it opens."""

    def allows(self, repository: GitRepository, namespace_labels: Mapping[str, str]) -> bool:
        """Return whether a repository of a namespace with these labels may use the credential."""
        if not self.repositories:
            return True
        patterns = [
            pattern.lower()
            for allowed in self.repositories
            if allowed.namespaces is None or allowed.namespaces.matches(namespace_labels)
            for pattern in allowed.patterns
        ]
        name = repository.spec.hosted.full_name.lower()
        return not (_walks(name) or names_an_id(name)) and any(matches_name(pattern, name) for pattern in patterns)


def _walks(name: str) -> bool:
    """Return whether a host, or a proxy before it, could take a name for another one."""
    return any(part in ("", ".", "..") for part in name.split("/")) or any(mark in name for mark in "%\\?#")


def names_an_id(name: str) -> bool:
    """Return whether a part of a name is an id in the form of Bitbucket Cloud (`{…}`) or Azure DevOps.

    Both take it in place of a name, and it is theirs which repository that is, whatever stands next to it.
    """
    return any(_ID.fullmatch(part.lower().translate(_ID_MARKS)) for part in name.split("/"))


class ClusterScmProvider(Resource):
    """An SCM host and a credential, for repositories of the namespaces that it allows."""

    definition: ClassVar = Definition(
        kind="ClusterScmProvider",
        plural="clusterscmproviders",
        short_name="pcscm",
        scope=Scope.CLUSTER,
        columns=PROVIDER_COLUMNS,
    )

    kind: str = "ClusterScmProvider"
    spec: ClusterScmProviderSpec
    status: ScmProviderStatus = ScmProviderStatus()
