"""ScmProvider: an SCM host and a credential, for one namespace."""

from typing import ClassVar

from crds.model import AGE, Definition, PrinterColumn
from crds.resource import ConditionedStatus, Resource
from crds.v1alpha1.scm_host import ScmHost, ScmProviderSpec

PROVIDER_COLUMNS = (
    PrinterColumn(name="TYPE", json_path=".status.type", description="The host"),
    PrinterColumn(name="READY", json_path=".status.conditions[?(@.type=='Ready')].status"),
    PrinterColumn(name="MESSAGE", json_path=".status.conditions[?(@.type=='Ready')].message", priority=1),
    AGE,
)


class ScmProviderStatus(ConditionedStatus):
    """Whether the host accepts the credential."""

    type: ScmHost | None = None
    """The host, named as its block in the spec."""


class ScmProvider(Resource):
    """An SCM host and a credential, for repositories of its namespace."""

    definition: ClassVar = Definition(
        kind="ScmProvider", plural="scmproviders", short_name="pscm", columns=PROVIDER_COLUMNS
    )

    kind: str = "ScmProvider"
    spec: ScmProviderSpec
    status: ScmProviderStatus = ScmProviderStatus()
