"""ClusterScmProvider: an SCM host and a credential, for the namespaces that it allows."""

from typing import ClassVar

from crds.fields import LabelSelector
from crds.model import Definition, Scope
from crds.resource import Resource
from crds.v1alpha1.scm_host import ScmProviderSpec
from crds.v1alpha1.scm_provider import READY_COLUMNS, ScmProviderStatus


class ClusterScmProviderSpec(ScmProviderSpec):
    """Exactly one host, its credential, and who may use it."""

    allowed_namespaces: LabelSelector = LabelSelector()
    """Namespaces whose repositories may use the credential, by their labels; empty means none."""


class ClusterScmProvider(Resource):
    """An SCM host and a credential, for repositories of the namespaces that it allows."""

    definition: ClassVar = Definition(
        kind="ClusterScmProvider",
        plural="clusterscmproviders",
        short_name="pcscm",
        scope=Scope.CLUSTER,
        columns=READY_COLUMNS,
    )

    kind: str = "ClusterScmProvider"
    spec: ClusterScmProviderSpec
    status: ScmProviderStatus = ScmProviderStatus()
