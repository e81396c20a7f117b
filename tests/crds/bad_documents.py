"""Documents that must be refused, with what the API server and offline validation answer to each."""

from dataclasses import dataclass

from tests.crds.resources import Document, a_test, deployment, document, environment_document, policy_document

HOSTS = "exactly one of github, gitlab, gitea, forgejo, bitbucketCloud, bitbucketDataCenter, azureDevOps must be set"


@dataclass(frozen=True, kw_only=True)
class BadDocument:
    """A document, the path at fault and the text that both refusals have."""

    name: str
    document: Document
    path: str
    server: str
    """Part of the API server's message."""
    offline: str
    """Part of `path: message` of offline validation."""


def bad(name: str, refused: Document, path: str, message: str, offline: str = "") -> BadDocument:
    expected = offline or f"{path}: {message}"
    return BadDocument(name=name, document=refused, path=path, server=message, offline=expected)


def _tracker(name: str, number: object = 412, **spec: object) -> Document:
    return document(
        "PullRequestTracker", name, {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev", **spec}
    )


def _argocd(**fields: object) -> Document:
    argocd = {"instanceRef": {"name": "argocd"}, "project": "shop", **fields}
    return environment_document("dev", deployment(argocd=argocd))


def _by_flux(**fields: object) -> Document:
    return {"name": "web", "repositoryRef": {"name": "web"}, "flux": _FLUX, **fields}


def _edit(**fields: object) -> Document:
    return environment_document("dev", deployment(write={"git": {**_GIT, "edits": [fields]}}))


def _merge(**fields: object) -> Document:
    branch = {"repositoryRef": {"name": "config"}, "source": "next", "target": "staging", **fields}
    return environment_document("dev", deployment(write={"branch": branch}))


def _write(**fields: object) -> Document:
    return environment_document("dev", deployment(write={"argocd": fields}))


def _command(**fields: object) -> Document:
    spec = {"trackerRef": {"name": "web-412"}, "verb": "promote", "environment": "prod", "requestedBy": "alice"}
    return document("PromotionCommand", "c", {**spec, **fields})


def _repository(**spec: object) -> Document:
    return document("GitRepository", "web", {"scmProviderRef": {"name": "github"}, **spec})


_DOMAIN = {"domain": "git.example"}
_SECRET = {"secretRef": {"name": "token"}}
_OF_PROJECT = {"project": "acme", "name": "web"}
_NAME_RULE = "the name of a tracker must be <repository>-<number>, such as web-412"
_GITHUB = {"owner": "acme", "name": "web"}
_JENKINS = {"url": "https://ci.example"}
_ONE_RUNNER = "exactly one of jenkins, githubActions, gitlabCI must be set"
_ONE_WRITE = "exactly one of argocd, git, branch must be set"
_ONE_EDIT = "exactly one of kustomizeImage, yamlPath must be set"
_VALUE = "value must be set exactly when yamlPath is"
_GIT = {
    "repositoryRef": {"name": "config"},
    "branch": "main",
    "edits": [{"file": "a.yaml", "kustomizeImage": "ghcr.io/acme/web"}],
}
_BY_GIT = {"git": _GIT}
_FLUX = {"kustomization": "web", "namespace": "apps"}
_ONE_DEPLOYER = "exactly one of argocd, flux must be set"
_ONE_SELECTION = "exactly one of application, selector must be set"
_IMAGE = "image must be set exactly when set is KustomizeImage"
_PARAMETER = "parameter must be set exactly when set is HelmParameter"

BAD_DOCUMENTS = (
    bad("tracker named otherwise", _tracker("web-413"), "metadata.name", _NAME_RULE),
    bad("tracker with a leading zero", _tracker("web-0412"), "metadata.name", _NAME_RULE),
    bad("tracker of another repository", _tracker("api-412"), "metadata.name", _NAME_RULE),
    bad("tracker number zero", _tracker("web-0", 0), "spec.number", "1", "spec.number: must be at least 1"),
    bad(
        "tracker number as text",
        _tracker("web-412", "412"),
        "spec.number",
        "integer",
        "spec.number: must be of type integer, is string",
    ),
    bad(
        "tracker attempt zero", _tracker("web-412", attempt=0), "spec.attempt", "1", "spec.attempt: must be at least 1"
    ),
    bad(
        "policy to its own source",
        policy_document("dev", "dev"),
        "spec.targetEnvironment",
        "targetEnvironment must differ from sourceEnvironment",
    ),
    bad(
        "policy without source",
        policy_document("", "dev", name="x"),
        "spec.sourceEnvironment",
        "1 char",
        "spec.sourceEnvironment: must have at least 1 character",
    ),
    bad(
        "policy with a test twice",
        policy_document("dev", "prod", tests=[a_test("a"), a_test("a")]),
        "spec.tests[1]",
        "Duplicate value",
        "spec.tests[1]: duplicate entry: name `a`",
    ),
    bad(
        "policy with a repository twice",
        policy_document("dev", "prod", "web", "web"),
        "spec.repositoryRefs[1]",
        "Duplicate value",
        "spec.repositoryRefs[1]: duplicate entry",
    ),
    bad("policy timeout zero", policy_document("dev", "prod", timeout="0s"), "spec.timeout", "must be positive"),
    bad(
        "test timeout zero",
        policy_document("dev", "prod", tests=[a_test("a", timeout="0m")]),
        "spec.tests[0].timeout",
        "must be positive",
    ),
    bad(
        "timeout without unit",
        policy_document("dev", "prod", timeout="45"),
        "spec.timeout",
        "should match",
        "spec.timeout: `45` is not a duration: write `45m`",
    ),
    bad(
        "negative retries",
        policy_document("dev", "prod", tests=[a_test("a", retries=-1)]),
        "spec.tests[0].retries",
        "0",
        "spec.tests[0].retries: must be at least 0",
    ),
    bad(
        "unknown answer to a moved source",
        policy_document("dev", "prod", onSourceMoved="Ignore"),
        "spec.onSourceMoved",
        "supported values",
        "spec.onSourceMoved: `Ignore` is not allowed; allowed are `Accept`, `Retest`",
    ),
    bad(
        "unknown field",
        policy_document("dev", "prod", autoPromot=True),
        "spec.autoPromot",
        "unknown field",
    ),
    bad(
        "environment without deployments",
        document("Environment", "dev", {"deployments": []}),
        "spec.deployments",
        "1 items",
        "spec.deployments: must have at least 1 entries",
    ),
    bad(
        "deployment twice",
        environment_document("dev", deployment(), deployment()),
        "spec.deployments[1]",
        "Duplicate value",
        "spec.deployments[1]: duplicate entry",
    ),
    bad("neither application nor selector", _argocd(), "spec.deployments[0].argocd", _ONE_SELECTION),
    bad(
        "application and selector",
        _argocd(application="a", selector={"matchLabels": {"a": "b"}}),
        "spec.deployments[0].argocd",
        _ONE_SELECTION,
    ),
    bad(
        "deployment without a project",
        environment_document("dev", deployment(argocd={"instanceRef": {"name": "a"}, "application": "b"})),
        "spec.deployments[0].argocd.project",
        "Required",
        "spec.deployments[0].argocd.project: is required",
    ),
    bad(
        "neither argocd nor flux",
        environment_document("dev", {"name": "web", "repositoryRef": {"name": "web"}}),
        "spec.deployments[0]",
        _ONE_DEPLOYER,
    ),
    bad(
        "argocd and flux",
        environment_document("dev", deployment(flux=_FLUX, write=_BY_GIT)),
        "spec.deployments[0]",
        _ONE_DEPLOYER,
    ),
    bad(
        "flux written by argocd",
        environment_document("dev", _by_flux(write={"argocd": {}}), write=False),
        "spec.deployments[0].write",
        "write.argocd writes Applications of Argo CD",
        "spec.deployments[0].write",
    ),
    bad(
        "flux in an environment that is written by argocd",
        environment_document("dev", _by_flux()),
        "spec.write",
        "write.argocd writes Applications of Argo CD",
        "spec.write",
    ),
    bad("kustomize without image", _write(set="KustomizeImage"), "spec.deployments[0].write.argocd.image", _IMAGE),
    bad("image without kustomize", _write(image="web"), "spec.deployments[0].write.argocd.image", _IMAGE),
    bad(
        "helm without parameter", _write(set="HelmParameter"), "spec.deployments[0].write.argocd.parameter", _PARAMETER
    ),
    bad(
        "write without a way",
        environment_document("dev", deployment(write={})),
        "spec.deployments[0].write",
        _ONE_WRITE,
    ),
    bad(
        "write in two ways",
        environment_document("dev", deployment(write={"argocd": {}, "git": _GIT})),
        "spec.deployments[0].write",
        _ONE_WRITE,
    ),
    bad(
        "commit that is merged",
        environment_document("dev", deployment(write={"git": {**_GIT, "autoMerge": True}})),
        "spec.deployments[0].write.git.autoMerge",
        "autoMerge must be set only when via is PullRequest",
    ),
    bad(
        "way to merge what a person merges",
        environment_document("dev", deployment(write={"git": {**_GIT, "via": "PullRequest", "mergeMethod": "Squash"}})),
        "spec.deployments[0].write.git.mergeMethod",
        "mergeMethod must be set only when autoMerge is",
    ),
    bad(
        "branch that is merged into itself",
        _merge(target="next"),
        "spec.deployments[0].write.branch.source",
        "source must be another branch than target",
    ),
    bad(
        "way to merge a branch that a person merges",
        _merge(mergeMethod="Squash"),
        "spec.deployments[0].write.branch.mergeMethod",
        "mergeMethod must be set only when autoMerge is",
    ),
    bad("edit of nothing", _edit(file="a.yaml"), "spec.deployments[0].write.git.edits[0]", _ONE_EDIT),
    bad(
        "path without a value",
        _edit(file="a.yaml", yamlPath="a"),
        "spec.deployments[0].write.git.edits[0].value",
        _VALUE,
    ),
    bad(
        "image with a value",
        _edit(file="a.yaml", kustomizeImage="web", value="x"),
        "spec.deployments[0].write.git.edits[0].value",
        _VALUE,
    ),
    bad(
        "environment named with a dot",
        environment_document("dev.eu"),
        "metadata.name",
        "should match",
        "metadata.name: `dev.eu` does not match",
    ),
    bad("runner without a system", document("TestRunner", "r", {}), "spec", _ONE_RUNNER),
    bad(
        "runner with two systems",
        document("TestRunner", "r", {"jenkins": _JENKINS, "gitlabCI": {"repositoryRef": {"name": "web"}}}),
        "spec",
        _ONE_RUNNER,
    ),
    bad(
        "runner address with credentials",
        document("TestRunner", "r", {"jenkins": {"url": "https://ci:secret@ci.example"}}),
        "spec.jenkins.url",
        "should match",
        "spec.jenkins.url: `https://ci:secret@ci.example` does not match",
    ),
    bad(
        "unstable as error",
        document("TestRunner", "r", {"jenkins": {**_JENKINS, "unstable": "Error"}}),
        "spec.jenkins.unstable",
        "supported values",
        "spec.jenkins.unstable: `Error` is not allowed",
    ),
    bad(
        "pipeline parameters as files",
        document("TestRunner", "r", {"gitlabCI": {"repositoryRef": {"name": "web"}, "parametersAs": "Files"}}),
        "spec.gitlabCI.parametersAs",
        "supported values",
        "spec.gitlabCI.parametersAs: `Files` is not allowed",
    ),
    bad(
        "Argo CD without credential",
        document("ArgoCDInstance", "a", {"server": "https://argocd.example"}),
        "spec.secretRef",
        "Required",
        "spec.secretRef: is required",
    ),
    *(
        bad(
            f"hosted runner with a {field}",
            document("TestRunner", "r", {"gitlabCI": {"repositoryRef": {"name": "web"}}, field: {"name": "x"}}),
            "spec",
            "caSecretRef and proxySecretRef need jenkins",
        )
        for field in ("caSecretRef", "proxySecretRef")
    ),
    bad(
        "host in brackets that is no address",
        document("ScmProvider", "gitea", {**_SECRET, "gitea": {"domain": "https://[git.example]:3000"}}),
        "spec.gitea.domain",
        "should match",
        "does not match",
    ),
    bad("repository without a host", _repository(), "spec", HOSTS),
    bad(
        "provider with an installation of no App",
        document("ScmProvider", "github", {**_SECRET, "github": {"installationID": 1}}),
        "spec.github.installationID",
        "installationID needs appID",
    ),
    *(
        bad(
            f"selector {operator} with {len(values)} values",
            _argocd(selector={"matchExpressions": [{"key": "tier", "operator": operator, "values": values}]}),
            "spec.deployments[0].argocd.selector.matchExpressions[0].values",
            "values must be given with In and NotIn",
        )
        for operator, values in (("In", []), ("NotIn", []), ("Exists", ["a"]), ("DoesNotExist", ["a"]))
    ),
    bad("repository at two hosts", _repository(github=_GITHUB, gitea=_GITHUB), "spec", HOSTS),
    bad(
        "repository with a component twice",
        _repository(github=_GITHUB, components=[{"name": "a", "paths": ["a"]}, {"name": "a", "paths": ["b"]}]),
        "spec.components[1]",
        "Duplicate value",
        "spec.components[1]: duplicate entry",
    ),
    bad(
        "component without paths",
        _repository(github=_GITHUB, components=[{"name": "a", "paths": []}]),
        "spec.components[0].paths",
        "1 items",
        "spec.components[0].paths: must have at least 1 entries",
    ),
    bad(
        "unknown kind of provider",
        _repository(github=_GITHUB, scmProviderRef={"kind": "Provider", "name": "x"}),
        "spec.scmProviderRef.kind",
        "supported values",
        "spec.scmProviderRef.kind: `Provider` is not allowed",
    ),
    bad("provider without a host", document("ScmProvider", "p", {"secretRef": {"name": "t"}}), "spec", HOSTS),
    bad(
        "cluster provider at two hosts",
        document("ClusterScmProvider", "p", {"secretRef": {"name": "t"}, "github": {}, "gitlab": {}}, namespace=""),
        "spec",
        HOSTS,
    ),
    bad(
        "provider without credential",
        document("ScmProvider", "p", {"github": {}}),
        "spec.secretRef",
        "Required",
        "spec.secretRef: is required",
    ),
    bad(
        "command with an unknown verb",
        _command(verb="delete"),
        "spec.verb",
        "supported values",
        "spec.verb: `delete` is not allowed",
    ),
    bad(
        "command for no tracker",
        document("PromotionCommand", "c", {"verb": "promote", "environment": "prod", "requestedBy": "alice"}),
        "spec",
        "trackerRef is required",
        "spec: trackerRef is required",
    ),
    bad(
        "hold for a time of a tracker",
        _command(verb="hold", duration="2h"),
        "spec.duration",
        "duration is for a hold on an environment",
        "spec.duration: duration is for a hold on an environment",
    ),
    bad(
        "release of a tracker that names a hold",
        _command(verb="release", hold="hold-prod-1"),
        "spec.hold",
        "hold is for the release of an environment",
        "spec.hold: hold is for the release of an environment",
    ),
    bad(
        "command that repeats a name that no deployment can have",
        _command(targetRevisions={"n" * 321: "aaaaaaaaaaaa"}),
        "spec.targetRevisions",
        "names of deployments must have at most 320 characters",
    ),
    bad(
        "command of no one",
        _command(requestedBy=""),
        "spec.requestedBy",
        "1 char",
        "spec.requestedBy: must have at least 1 character",
    ),
)
