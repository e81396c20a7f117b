"""What runs in an environment, and how Pilotage writes to it."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import LabelSelector, Name, NameReference
from crds.model import Model, Rule, exactly_one_of, extra
from crds.reasons.vocabulary import MergeMethod


class ArgoCDSet(StrEnum):
    """The field of an Argo CD Application that a promotion writes."""

    TARGET_REVISION = "TargetRevision"
    """`spec.source.targetRevision`, where the Application follows the application repository itself."""
    KUSTOMIZE_IMAGE = "KustomizeImage"
    """An entry of `spec.source.kustomize.images`."""
    HELM_PARAMETER = "HelmParameter"
    """An entry of `spec.source.helm.parameters`."""


class ArgoCDSource(Model):
    """One source of an Application with several."""

    rules: ClassVar = (exactly_one_of("name", "path", "position"),)

    name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """`name` of the source."""
    path: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """`path` of the source within its repository."""
    position: Annotated[int, Field(ge=1, le=100)] | None = None
    """Position of the source, counted from 1 as Argo CD does."""


class ArgoCDWrite(Model):
    """Write to the Argo CD Application itself."""

    rules: ClassVar = (
        Rule(
            rule="has(self.image) == (has(self.set) && self.set == 'KustomizeImage')",
            message="image must be set exactly when set is KustomizeImage",
            field_path=".image",
        ),
        Rule(
            rule="has(self.parameter) == (has(self.set) && self.set == 'HelmParameter')",
            message="parameter must be set exactly when set is HelmParameter",
            field_path=".parameter",
        ),
    )

    set: ArgoCDSet = ArgoCDSet.TARGET_REVISION
    """Field that Pilotage writes."""
    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Image as the kustomization names it, without tag; for KustomizeImage."""
    parameter: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Helm parameter that takes the tag, such as `image.tag`; for HelmParameter."""
    source: ArgoCDSource | None = None
    """Source that Pilotage writes, where several sources of an Application match."""
    prune: bool = False
    """Whether a sync that Pilotage requests deletes what the change removed. Where automated sync is on, the
    Application's `syncPolicy.automated.prune` decides instead."""
    allow_managed: bool = False
    """Write also to an Application that an ApplicationSet or another Application owns, although the owner may set the
    write back."""


class GitVia(StrEnum):
    """How files get into a branch."""

    COMMIT = "Commit"
    """One commit on the branch itself."""
    PULL_REQUEST = "PullRequest"
    """A pull request to the branch, which a person merges, or Pilotage with `autoMerge`."""


class GitEdit(Model):
    """One value in one file."""

    rules: ClassVar = (
        exactly_one_of("kustomizeImage", "yamlPath"),
        Rule(
            rule="has(self.value) == has(self.yamlPath)",
            message="value must be set exactly when yamlPath is",
            field_path=".value",
        ),
    )

    file: Annotated[str, Field(min_length=1, max_length=512)]
    """Path of the file in the repository. It may hold variables of the environment, such as
    `apps/${component.name}/${target.vars.cluster}/kustomization.yaml`."""
    kustomize_image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Image as `images` of the kustomization names it, without tag; its `newTag` is set to the artifact's tag."""
    yaml_path: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Path of the value, such as `web.image.tag`, `containers[0].image` or `env[name=TAG].value`; a key with a dot is
    written as `labels["app.kubernetes.io/version"]`. It may hold the same variables as `file`."""
    value: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Value that Pilotage writes there, with variables, such as `${artifact.tag}`; for yamlPath."""


class GitWrite(Model):
    """Write files in a Git repository that Argo CD or Flux deploys from. All of a wave is one commit."""

    rules: ClassVar = (
        Rule(
            rule="!has(self.autoMerge) || !self.autoMerge || (has(self.via) && self.via == 'PullRequest')",
            message="autoMerge must be set only when via is PullRequest",
            field_path=".autoMerge",
        ),
        Rule(
            rule="!has(self.mergeMethod) || self.mergeMethod == 'Merge' || (has(self.autoMerge) && self.autoMerge)",
            message="mergeMethod must be set only when autoMerge is",
            field_path=".mergeMethod",
        ),
    )

    repository_ref: NameReference
    """GitRepository that Pilotage writes."""
    branch: Annotated[str, Field(min_length=1, max_length=255)]
    """Branch that Argo CD or Flux deploys from."""
    via: GitVia = GitVia.COMMIT
    """How the files get into the branch."""
    auto_merge: bool = False
    """Whether Pilotage merges the pull request as soon as the host allows it. Otherwise a person merges it."""
    merge_method: MergeMethod = MergeMethod.MERGE
    """How Pilotage merges the pull request. The repository must allow this method."""
    edits: Annotated[
        tuple[GitEdit, ...], Field(min_length=1, max_length=20, json_schema_extra=extra(list_type="atomic"))
    ]
    """Values that Pilotage writes. At least one edit must have `kustomizeImage`, or `${artifact.tag}` or `${revision}`
    in its `value`: by it Pilotage recognises what the branch holds."""


class BranchWrite(Model):
    """Merge one branch of a Git repository into another, by a pull request. Argo CD or Flux deploys from the latter."""

    rules: ClassVar = (
        Rule(
            rule="self.source != self.target",
            message="source must be another branch than target",
            field_path=".source",
        ),
        Rule(
            rule="!has(self.mergeMethod) || self.mergeMethod == 'Merge' || (has(self.autoMerge) && self.autoMerge)",
            message="mergeMethod must be set only when autoMerge is",
            field_path=".mergeMethod",
        ),
    )

    repository_ref: NameReference
    """GitRepository of both branches."""
    source: Annotated[str, Field(min_length=1, max_length=255)]
    """Branch that Pilotage promotes: one that a hydrator pushes, or the branch of the source environment."""
    target: Annotated[str, Field(min_length=1, max_length=255)]
    """Branch that Argo CD or Flux deploys from."""
    auto_merge: bool = False
    """Whether Pilotage merges the pull request as soon as the host allows it. Otherwise a person merges it."""
    merge_method: MergeMethod = MergeMethod.MERGE
    """How Pilotage merges the pull request. The repository must allow this method."""
    title: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Title of the pull request, with variables. Pilotage keeps it so while it delivers. If not given, the title is
    `Promote <source> to <target>`, and people may change it."""
    body: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Text of the pull request, with variables. Pilotage keeps it so while it delivers."""
    labels: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=50)], ...],
        Field(max_length=10, json_schema_extra=extra(list_type="set")),
    ] = ()
    """Labels that Pilotage adds to the pull request, where the host has labels. Labels of others stay."""


class Write(Model):
    """How Pilotage writes a deployment: exactly one way."""

    rules: ClassVar = (exactly_one_of("argocd", "git", "branch"),)

    argocd: ArgoCDWrite | None = None
    """Write to the Argo CD Application itself."""
    git: GitWrite | None = None
    """Write files in a Git repository; Argo CD or Flux picks them up."""
    branch: BranchWrite | None = None
    """Merge one branch of a Git repository into another; Argo CD or Flux picks it up."""


class ArgoCDDeployment(Model):
    """Argo CD Applications that make up one deployment."""

    rules: ClassVar = (exactly_one_of("application", "selector"),)

    instance_ref: NameReference
    """ArgoCDInstance that serves the Applications."""
    project: Annotated[str, Field(min_length=1, max_length=63)]
    """Argo CD project of the Applications. Each call names it, so that Argo CD distinguishes a missing Application from
    a forbidden one."""
    application: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of one Application; `namespace/name` for one outside Argo CD's own namespace."""
    selector: LabelSelector | None = None
    """Applications by label, in all namespaces that Argo CD serves. Pilotage resolves it when a hop starts."""


class FluxDeployment(Model):
    """A Kustomization of Flux whose events report what is deployed."""

    cluster_ref: NameReference | None = None
    """Secret with which the cluster signs its events. It sends them to `/flux/<namespace>/<this name>` of the receiver.
    If not given, events are unsigned: the operator must have set `PILOTAGE_FLUX_INSECURE_EVENTS`."""
    kustomization: Annotated[
        str,
        Field(
            min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
        ),
    ]
    """Name of the Kustomization, 63 characters at most, since Flux uses it as a label's value."""
    namespace: Name
    """Namespace of the Kustomization in its cluster."""

    @property
    def application(self) -> str:
        """The Kustomization as people name it."""
        return f"{self.namespace}/{self.kustomization}"


class Deployment(Model):
    """One thing that runs in the environment."""

    rules: ClassVar = (
        exactly_one_of("argocd", "flux"),
        Rule(
            rule="!has(self.flux) || !has(self.write) || !has(self.write.argocd)",
            message="write.argocd writes Applications of Argo CD: for what Flux deploys, use git or branch",
            field_path=".write",
        ),
    )

    name: Name
    """Name of the deployment, unique in the environment."""
    wave: Annotated[int, Field(ge=0, le=1000)] = 0
    """Wave in which Pilotage writes it. Waves follow each other; deployments of one wave are written together."""
    repository_ref: NameReference
    """GitRepository whose artifact runs there."""
    component: Name | None = None
    """Component that runs there; required where the repository has components."""
    argocd: ArgoCDDeployment | None = None
    """Argo CD Applications that make it up."""
    flux: FluxDeployment | None = None
    """Kustomization of Flux that makes it up."""
    write: Write | None = None
    """How Pilotage writes it; the environment's `write` if not given."""

    @property
    def application(self) -> str | None:
        """What deploys it, as people name it; None for several that a selector finds."""
        if self.argocd is not None:
            return self.argocd.application
        return self.flux.application if self.flux is not None else None
