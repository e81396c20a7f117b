"""Everything that one sandbox remembers."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from deploy.local.sandbox.argocd_controller import ArgoCDController
from deploy.local.sandbox.argocd_seed import load_argocd
from deploy.local.sandbox.argocd_state import ArgoCDState
from deploy.local.sandbox.azure_devops_state import AzureDevOpsState
from deploy.local.sandbox.clock import Clock
from deploy.local.sandbox.gitea_labels import GiteaLabels
from deploy.local.sandbox.github_state import GitHubState, Repository
from deploy.local.sandbox.gitlab_state import GitLabState
from deploy.local.sandbox.host_accounts import HostAccounts
from deploy.local.sandbox.jenkins_state import JenkinsState
from deploy.local.sandbox.journal import Journal
from deploy.local.sandbox.options import Options
from deploy.local.sandbox.replies import Json
from deploy.local.sandbox.script import Script
from deploy.local.sandbox.webhooks import Webhooks

# Their stand-ins show the repositories of the seed's `github` part by each host's own names.
_OTHER_HOSTS = ("gitea", "forgejo", "bitbucketCloud", "bitbucketDataCenter", "azureDevOps")
_SYSTEMS = frozenset({"options", "github", "jenkins", "gitlab", "argocd", *_OTHER_HOSTS})


class SandboxState:
    """The stand-ins' memory, with the journal of requests and the script of faults."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.clock = Clock()
        self.journal = Journal()
        self.script = Script()
        self.webhooks = Webhooks(self)
        self._build()

    def load(self, seed: Mapping[str, Any]) -> None:
        """Merge a seed into what is there. Raises ValueError naming what is wrong."""
        if unknown := sorted(set(seed) - _SYSTEMS):
            raise ValueError(f"unknown systems {', '.join(unknown)}; known: {', '.join(sorted(_SYSTEMS))}")
        try:
            self.options.update(seed.get("options") or {})
            self.github.load(seed.get("github") or {})
            self.jenkins.load(seed.get("jenkins") or {})
            self.gitlab.load(seed.get("gitlab") or {})
            for name, accounts in self.accounts.items():
                accounts.load(seed.get(name) or {})
            load_argocd(self.argocd, seed.get("argocd") or {})
        except (KeyError, TypeError) as error:
            raise ValueError(f"seed: {error}") from error
        others = [secret for accounts in self.accounts.values() for secret in accounts.secrets()]
        ours = (*self.github.tokens, *self.jenkins.secrets(), *self.gitlab.secrets(), *self.argocd.tokens)
        self.journal.hide((*ours, *others))

    def push(self, repository: Repository, branch: str, sha: str) -> None:
        """Move a branch and let Argo CD see it, as with a webhook."""
        self.github.move(repository, branch, sha)
        for application in self.argocd.applications.values():
            if any(self.argocd.repository_of(source) is repository for source in application.sources):
                self.controller.compare_soon(application)

    def reset(self) -> None:
        """Forget everything but options and the time."""
        self.controller.stop()
        self.webhooks.stop()
        self.journal.clear()
        self.script.clear()
        self._build()

    def summary(self) -> Json:
        """Show the state in brief, for people and for tests."""
        return {
            "github": {
                repository.full_name: {
                    "branches": repository.graph.branches,
                    "commits": len(repository.graph.commits),
                    "pulls": {
                        str(pull.number): {
                            "state": pull.state,
                            "merged": pull.merged_at is not None,
                            "merge_sha": pull.merge_sha,
                            "head_sha": pull.head_sha,
                            "labels": pull.labels,
                            "comments": [c["body"] for c in pull.comments],
                        }
                        for pull in repository.pulls.values()
                    },
                    "deployments": [
                        {
                            "sha": one["sha"],
                            "environment": one["environment"],
                            "states": [status["state"] for status in one["statuses"]],
                            "address": next((one["environment_url"] for one in one["statuses"][-1:]), ""),
                        }
                        for one in repository.deployments
                    ],
                    "statuses": {
                        sha: [{key: row[key] for key in ("context", "state", "description")} for row in rows]
                        for sha, rows in repository.statuses.items()
                    },
                    "check_runs": [
                        {key: row[key] for key in ("name", "head_sha", "status", "conclusion")}
                        for row in repository.check_runs
                    ],
                    "runs": [
                        {
                            "id": run.identifier,
                            "workflow": run.workflow.file_name,
                            "inputs": run.inputs,
                            "status": run.status(self.clock.now()),
                            "conclusion": run.conclusion(self.clock.now()),
                        }
                        for run in repository.runs.values()
                    ],
                }
                for repository in self.github.repositories.values()
            },
            "jenkins": self.jenkins.summary(),
            "gitlab": self.gitlab.summary(),
            "argocd": self.argocd.summary(),
        }

    def _build(self) -> None:
        self.github = GitHubState(self.clock)
        self.jenkins = JenkinsState(self.clock, self.options)
        self.gitlab = GitLabState(self.clock, self.options)
        self.gitea_labels = GiteaLabels(self.github)
        self.azure_devops = AzureDevOpsState(self.clock, self.github)
        self.accounts = {name: HostAccounts() for name in _OTHER_HOSTS}
        self.argocd = ArgoCDState(self.clock, self.github)
        self.controller = ArgoCDController(self.argocd, self.options)


STATE = web.AppKey("state", SandboxState)
