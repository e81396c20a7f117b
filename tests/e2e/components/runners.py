"""Runners that are not of the samples: GitHub Actions and GitLab CI, and the tests that run at them."""

from crds.group import API_VERSION
from crds.rules.secrets import CONSENT_LABEL
from tests.e2e.cluster import Document
from tests.e2e.components.stories import StoryShop

INPUTS = {name: {"required": False, "default": ""} for name in ("revision", "promotion_key")}
GITLAB_TOKEN = "sandbox-gitlab-token"
TRIGGER_TOKEN = "sandbox-gitlab-trigger-token"


def at(shop: StoryShop, runner: str, job: str, **block: object) -> StoryShop:
    """Let the policy's one test run at another CI system; `block` holds the runner's knobs."""
    without_tests(shop)
    if runner == "actions":
        actions(shop, "actions", **block)
        workflow(shop, job)
    else:
        gitlab(shop, "gitlab", **block)
    require(shop, "e2e", runner, job)
    return shop


def without_tests(shop: StoryShop) -> StoryShop:
    """Take the tests of the samples from the policy."""
    policy_of(shop)["spec"]["tests"] = []
    return shop


def policy_of(shop: StoryShop) -> Document:
    """Return the one policy of a shop."""
    [policy] = [one for one in shop.documents if one["kind"] == "PromotionPolicy"]
    return policy


def require(shop: StoryShop, name: str, runner: str, job: str) -> None:
    """Add a test to the policy."""
    test = {"name": name, "runnerRef": {"name": runner}, "job": job, "parameters": {"revision": "${revision}"}}
    policy_of(shop)["spec"]["tests"].append({**test, "required": True, "timeout": "45m"})


def actions(shop: StoryShop, name: str = "actions", **block: object) -> None:
    """Declare a runner of the repository's own workflows."""
    _declare(shop, "TestRunner", name, {"githubActions": {"repositoryRef": {"name": "web"}, **block}})


def workflow(
    shop: StoryShop, file: str, *, run_name: str | None = "e2e ${{ inputs.promotion_key }}", **how: object
) -> None:
    """Seed a workflow, whose runs show the promotion key unless it has no name for them."""
    workflows = shop.seed["github"]["repos"][f"acme/{shop.name}"].setdefault("workflows", {})
    workflows[file] = {"run_name": run_name, "inputs": INPUTS, **how}


def gitlab(shop: StoryShop, name: str = "gitlab", **block: object) -> Document:
    """Declare a runner of a GitLab project, with repository, provider and Secret of its name; return the project."""
    _declare(shop, "TestRunner", name, {"gitlabCI": {"repositoryRef": {"name": name}, **block}})
    domain = f"{shop.environment.sandbox_url}/gitlab/api/v4"
    _declare(shop, "ScmProvider", name, {"gitlab": {"domain": domain}, "secretRef": {"name": f"{name}-token"}})
    project = project_of(shop, name)
    named = {"namespace": "acme", "name": project.removeprefix("acme/")}
    _declare(shop, "GitRepository", name, {"scmProviderRef": {"name": name}, "gitlab": named})
    projects = shop.seed.setdefault("gitlab", {}).setdefault("projects", {})
    projects[project] = {"branches": {"main": "1" * 40}, "trigger_tokens": [TRIGGER_TOKEN]}
    return dict.__getitem__(projects, project)


def project_of(shop: StoryShop, name: str = "gitlab") -> str:
    """Return the GitLab project of a runner."""
    return f"acme/{shop.name}-{name}"


def secret(shop: StoryShop, name: str = "gitlab", **data: str) -> None:
    """Create or change the Secret of a GitLab runner, in a namespace that is created before."""
    shop.cluster.apply(shop.documents[0])
    metadata = {"name": f"{name}-token", "namespace": shop.namespace, "labels": {CONSENT_LABEL: "true"}}
    shop.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def runs(shop: StoryShop, file: str = "e2e.yml") -> list[Document]:
    """Return the runs of a workflow of the shop's repository."""
    found = shop.sandbox.state()["github"][f"acme/{shop.name}"]["runs"]
    return [one for one in found if one["workflow"] == file]


def pipelines(shop: StoryShop, name: str = "gitlab") -> list[Document]:
    """Return the pipelines of a runner's project."""
    return list(shop.sandbox.state()["gitlab"].get(project_of(shop, name), ()))


def _declare(shop: StoryShop, kind: str, name: str, spec: Document) -> None:
    metadata = {"name": name, "namespace": shop.namespace}
    shop.documents.insert(1, {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
