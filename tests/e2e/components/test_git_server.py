"""Delivery by Git at a real Git server: what was delivered is what a clone over HTTP shows."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.sandbox.git_graph import variables
from tests.e2e.components.conftest import OpenStory
from tests.e2e.components.stories import MERGE_SHA, PREVIOUS_SHA, StoryShop
from tests.e2e.components.test_git import CONFIGURED, EACH, KUSTOMIZATION, config, config_repository, pulls, write
from tests.e2e.components.test_waves import results

BEFORE = {"api": f"sha-{PREVIOUS_SHA}", "site": f"v-{PREVIOUS_SHA[:8]}"}
AFTER = {"api": f"sha-{MERGE_SHA}", "site": f"v-{MERGE_SHA[:8]}"}
PERSON = {"GIT_AUTHOR_NAME": "ada", "GIT_AUTHOR_EMAIL": "ada@example.com"}
COMMITTER = {"GIT_COMMITTER_NAME": "ada", "GIT_COMMITTER_EMAIL": "ada@example.com"}


@dataclass(frozen=True, kw_only=True)
class Clone:
    """A clone of a repository of configuration."""

    folder: Path
    url: str

    def git(self, *arguments: str) -> str:
        """Run git in the clone and return what it prints."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=variables({**PERSON, **COMMITTER}),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    def push(self, branch: str, tags: Mapping[str, str]) -> str:
        """Commit what each component is to run, and push it to a branch."""
        for component, tag in tags.items():
            file = self.folder / "staging" / component / "kustomization.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(KUSTOMIZATION.format(component=component, tag=tag))
        self.git("add", ".")
        self.git("commit", "--quiet", f"--message=For {branch}")
        self.git("push", "--quiet", self.url, f"HEAD:{branch}")
        return self.git("rev-parse", "HEAD")

    def fetched(self, branch: str, form: str) -> str:
        """Return what the server's branch is by now, in a form of `git show`."""
        self.git("fetch", "--quiet", self.url, branch)
        return self.git("show", "--no-patch", f"--format={form}", "FETCH_HEAD")

    def file(self, component: str) -> str:
        """Return what was fetched of a component."""
        return self.git("show", f"FETCH_HEAD:staging/{component}/kustomization.yaml")


def served(story: OpenStory, name: str, folder: Path, branch: str) -> tuple[StoryShop, Clone]:
    """Prepare a shop whose staging follows a branch of a real repository."""
    shop = story("components", name).changes("services/api/main.py", "site/index.html")
    repository = f"acme/{name}-config"
    shop.seed["github"]["repos"][repository] = {"git": str(folder / "served.git"), "default_branch": branch}
    shop.sandbox.post("/_seed", {"github": {"repos": {repository: shop.seed["github"]["repos"][repository]}}})
    clone = Clone(folder=folder / "clone", url=f"{shop.environment.sandbox_url}/git/{repository}.git")
    clone.folder.mkdir()
    clone.git("init", "--quiet", f"--initial-branch={branch}")
    begun = clone.push(branch, BEFORE)
    # All other applications stay at what there is now.
    pinned = json.dumps(shop.seed["argocd"]).replace('"targetRevision": "main"', f'"targetRevision": "{begun}"')
    shop.seed["argocd"] = json.loads(pinned.replace(CONFIGURED, begun))
    for component in BEFORE:
        app = shop.app(f"{component}-staging")
        app.pop("sources", None)
        app.pop("revisions", None)
        source = {"repoURL": clone.url, "path": f"staging/{component}", "targetRevision": branch}
        app |= {"revision": begun, "automated": True, "source": source}
    shop.documents.insert(1, config_repository(shop, "github"))
    return shop, clone


def written(shop: StoryShop, way: Mapping[str, Any]) -> None:
    """Declare how staging is written: one deployment declares it by itself."""
    staging = shop.document("Environment", "staging")["spec"]
    staging["write"] = way
    for deployment in staging["deployments"]:
        del deployment["write"]
    staging["deployments"][-1]["write"] = way


def test_files_are_committed_to_a_real_git_server(story: OpenStory, tmp_path: Path) -> None:
    shop, clone = served(story, "servedfiles", tmp_path, "main")
    written(shop, write(EACH))
    assert results(shop.begin().until_state("Completed")) == {"api-staging": "Promoted", "site-staging": "Promoted"}
    begun = clone.git("rev-parse", "HEAD")
    assert clone.fetched("main", "%P") == begun
    assert clone.fetched("main", "%(trailers:key=Pilotage-Key,valueonly)")
    for component, tag in AFTER.items():
        assert clone.file(component) == KUSTOMIZATION.format(component=component, tag=tag).strip()


def test_branches_are_merged_into_one_another_at_a_real_git_server(story: OpenStory, tmp_path: Path) -> None:
    shop, clone = served(story, "servedbranches", tmp_path, "env/staging")
    begun = clone.git("rev-parse", "HEAD")
    clone.push("env/staging-next", AFTER)
    declared = {
        "repositoryRef": {"name": "config"},
        "source": "env/staging-next",
        "target": "env/staging",
        "autoMerge": True,
        "mergeMethod": "Squash",
        "title": "Promote ${pullRequest.number} to ${targetEnvironment}",
        "body": "Tested in ${sourceEnvironment}",
        "labels": ["promotion"],
    }
    written(shop, {"branch": declared})
    assert results(shop.begin().until_state("Completed")) == {"api-staging": "Promoted", "site-staging": "Promoted"}
    # A squash has one parent.
    assert clone.fetched("env/staging", "%P") == begun
    for component, tag in AFTER.items():
        assert clone.file(component) == KUSTOMIZATION.format(component=component, tag=tag).strip()
    [(number, pull)] = pulls(shop).items()
    statuses = shop.sandbox.state()["github"][f"acme/{shop.name}-config"]["statuses"][pull["head_sha"]]
    states = [one["state"] for one in statuses if one["context"] == "pilotage/dev/integration"]
    assert (states[-1], pull["labels"], pull["merged"]) == ("success", ["promotion"], True)
    shown = json.loads(config(shop, f"pulls/{number}"))
    assert (shown["title"], shown["body"]) == ("Promote 412 to staging", "Tested in dev")
