"""What runs in an environment, and how Pilotage writes to it."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import LabelSelector, Name, NameReference
from crds.model import Model, Rule, exactly_one_of, extra


class ArgoCDSet(StrEnum):
    """The field of an Argo CD Application that a promotion writes."""

    TARGET_REVISION = "TargetRevision"
    """`spec.source.targetRevision`: the application repository itself is tracked."""
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
    """Field that is written."""
    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Image as the kustomization names it, without tag; for KustomizeImage."""
    parameter: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Helm parameter that takes the tag, such as `image.tag`; for HelmParameter."""
    source: ArgoCDSource | None = None
    """Source that is written where an Application has several that match."""
    prune: bool = False
    """Delete what the change removed when Pilotage syncs, as Argo CD's sync with prune does. Where automated sync is
    on, `syncPolicy.automated.prune` of the Application counts instead."""
    allow_managed: bool = False
    """Write also to an Application that an ApplicationSet or another Application owns, although the owner may revert
    it."""


class GitVia(StrEnum):
    """How files get into a branch."""

    COMMIT = "Commit"
    """One commit on the branch itself."""
    PULL_REQUEST = "PullRequest"
    """A pull request to the branch, which a person merges, or Pilotage with `autoMerge`."""


class MergeMethod(StrEnum):
    """How a pull request is merged."""

    MERGE = "Merge"
    """A merge commit."""
    SQUASH = "Squash"
    """One commit of all its changes."""
    REBASE = "Rebase"
    """Its commits on top of the branch."""


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
    """Where the value stands, such as `web.image.tag`, `containers[0].image` or `env[name=TAG].value`; a key with a
    dot is written as `labels["app.kubernetes.io/version"]`. It may hold the variables that `file` may."""
    value: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """What is written there, with variables, such as `${artifact.tag}`; for yamlPath."""


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
    """GitRepository that is written."""
    branch: Annotated[str, Field(min_length=1, max_length=255)]
    """Branch that is deployed from."""
    via: GitVia = GitVia.COMMIT
    """How the files get into the branch."""
    auto_merge: bool = False
    """Whether Pilotage merges the pull request as soon as the host allows it; else a person does."""
    merge_method: MergeMethod = MergeMethod.MERGE
    """How Pilotage merges it; one that the repository allows."""
    edits: Annotated[
        tuple[GitEdit, ...], Field(min_length=1, max_length=20, json_schema_extra=extra(list_type="atomic"))
    ]
    """What is changed. At least one edit must be of `kustomizeImage`, or have `${artifact.tag}` or `${revision}` in its
    `value`: from it what the branch holds is recognised."""


class BranchWrite(Model):
    """Merge one branch of a Git repository into another one that is deployed from, by a pull request."""

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
    """Branch that holds what is promoted: one that a hydrator pushes, or the source environment's own branch."""
    target: Annotated[str, Field(min_length=1, max_length=255)]
    """Branch that is deployed from."""
    auto_merge: bool = False
    """Whether Pilotage merges the pull request as soon as the host allows it; else a person does."""
    merge_method: MergeMethod = MergeMethod.MERGE
    """How Pilotage merges it; one that the repository allows."""
    title: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Title of the pull request, with variables; kept so while it is delivered. If not given it is `Promote <source> to
    <target>`, and people may change it."""
    body: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Text of the pull request, with variables; kept so while it is delivered."""
    labels: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=50)], ...],
        Field(max_length=10, json_schema_extra=extra(list_type="set")),
    ] = ()
    """Labels that the pull request has besides those that people give it, where the host has labels."""


class Write(Model):
    """How a deployment is written: exactly one way."""

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
    """Argo CD project; always sent, so that a missing Application and a forbidden one differ."""
    application: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of one Application; `namespace/name` for one outside Argo CD's own namespace."""
    selector: LabelSelector | None = None
    """Selection of Applications by label, in all namespaces that Argo CD serves; resolved at the start of a hop."""


class FluxDeployment(Model):
    """A Kustomization of Flux whose events report what is deployed."""

    cluster_ref: NameReference | None = None
    """Secret by which the cluster signs its events, which come to `/flux/<namespace>/<this name>` of the receiver. If
    not given, they come unsigned from controllers with `--events-addr`, which the operator must have accepted."""
    kustomization: Annotated[
        str,
        Field(
            min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
        ),
    ]
    """Name of the Kustomization; Flux labels with it what it applies, so that it has 63 characters at most."""
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
            message="write.argocd writes Applications of Argo CD: what Flux deploys is written by git or branch",
            field_path=".write",
        ),
    )

    name: Name
    """Name of the deployment, unique in the environment."""
    wave: Annotated[int, Field(ge=0, le=1000)] = 0
    """Wave in which it is written; waves run in order, deployments of one wave in parallel."""
    repository_ref: NameReference
    """GitRepository whose artifact runs there."""
    component: Name | None = None
    """Component of the repository; for a repository with components."""
    argocd: ArgoCDDeployment | None = None
    """Argo CD Applications that make it up."""
    flux: FluxDeployment | None = None
    """Kustomization of Flux that makes it up."""
    write: Write | None = None
    """How it is written; the environment's `write` if not given."""

    @property
    def application(self) -> str | None:
        """What deploys it, as people name it; None for several that a selector finds."""
        if self.argocd is not None:
            return self.argocd.application
        return self.flux.application if self.flux is not None else None
