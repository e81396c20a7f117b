"""The default world: one shop, its repository, pull request 412, CI jobs and three environments.

Everything that tests and samples refer to has a name here; see `default_seed` for the shape that `POST /_seed` takes.
"""

from deploy.local.sandbox.replies import Json

GITHUB_TOKEN = "sandbox-github-token"
JENKINS_USER = "ci"
JENKINS_TOKEN = "sandbox-jenkins-token"
ARGOCD_TOKEN = "sandbox-argocd-token"
GITLAB_TOKEN = "sandbox-gitlab-token"
GITLAB_TRIGGER_TOKEN = "sandbox-gitlab-trigger-token"
WEBHOOK_SECRET = "sandbox-webhook-secret"
GITEA_TOKEN = "sandbox-gitea-token"
FORGEJO_TOKEN = "sandbox-forgejo-token"
BITBUCKET_CLOUD_TOKEN = "sandbox-bitbucket-cloud-token"
BITBUCKET_DATA_CENTER_TOKEN = "sandbox-bitbucket-data-center-token"
AZURE_DEVOPS_TOKEN = "sandbox-azure-devops-token"
GITHUB_APP_ID = 4711
GITHUB_INSTALLATION_ID = 4712

REPOSITORY = "acme/web"
REPOSITORY_URL = "https://github.example.com/acme/web.git"
PULL_NUMBER = 412
AUTHOR = "ada"

# A straight line ROOT ← PREVIOUS ← MERGE on main; HEAD is the pull request's own commit, NEXT comes after the merge.
ROOT_SHA = "1000000000000000000000000000000000000001"
PREVIOUS_SHA = "4110000000000000000000000000000000000411"
HEAD_SHA = "4120000000000000000000000000000000000aaa"
MERGE_SHA = "4120000000000000000000000000000000000412"
# Committed from PREVIOUS, as the merge is: it neither contains the merge nor is contained in it.
HOTFIX_SHA = "9110000000000000000000000000000000000911"
FAILING_SHA = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"

PROJECT = "shop"
IMAGE = "ghcr.io/acme/web"
DEV_APP, STAGING_APP, PROD_APP = "web-dev", "web-staging", "web-prod"
JENKINS_JOBS = ("web/integration", "web/e2e", "web/lighthouse")

# What a policy may pass, and the name under which Pilotage passes its key: Jenkins drops what a job does not declare,
# GitHub refuses it.
_JENKINS_PARAMETERS = ("REVISION", "PR", "ENV", "TARGET", "PROMOTION_KEY")
_WORKFLOW_INPUTS = ("revision", "pr", "env", "target", "promotion_key")
# The host's own figure, 5000 an hour, would end a long demo; tests that need a limit seed a token with one.
_GENEROUS_QUOTA = 1_000_000


def default_seed() -> Json:
    """Return a fresh seed, to be loaded as it is or changed first.

    github: tokens{token: {login, limit?, permissions?}}, app{id, public_key?, installations{id: {repositories?}}},
      repos{full_name: {commits[{sha, parents, message?, author?, files?}], branches{name: ref}, labels[{name, color?}],
      pulls[{number, head{ref, sha}, base?, title?, author?, state?, merged?, merge_sha?, labels?, files?}],
      workflows{file: {name?, run_name?, inputs{name: {required?, default?}}, dispatch?, conclusion?,
      duration_seconds?, queued_seconds?, approval?}}, collaborators{login: admin|write|read}}},
      teams{name: [logins]}
    jenkins: users{name: {token, password?, permissions?}}, jobs{path: {parameters[], result?, duration_seconds?,
      queue_seconds?, disabled?, test_report?}}
    gitlab: tokens{token: {username, access?, scopes?}}, projects{path: {id?, branches{name: sha}, workflow_name?,
      ci_config?, ci_config_path?, status?, trigger_tokens?, trigger_owner?, accepts_variables?,
      inputs{name: {default?, type?, options?}}?, jobs?, duration_seconds?, queued_seconds?}}
    gitea, forgejo, bitbucketCloud, bitbucketDataCenter, azureDevOps: tokens{token: {login, password?, rights?}}; their
      repositories are those of `github`
    argocd: tokens{token: {subject, projects{name: [verbs]}}}, users{name: password},
      revisions{sha: {fails?, images?, health?}}, apps{name or namespace/name: {project, source or sources, revision?,
      images?, labels?, annotations?, owner_references?, automated?, health?, sync_seconds?, reconcile_seconds?,
      progressing_seconds?, spec?}}
    options: the fields of `Options`.
    A result, conclusion or status is a text, a list used up run by run (the last stays), or
    {"parameter": name, "values": {value: result}, "default": result}.
    """
    return {"github": _github(), "jenkins": _jenkins(), "gitlab": _gitlab(), "argocd": _argocd(), **_other_hosts()}


def _other_hosts() -> Json:
    tokens = {
        "gitea": GITEA_TOKEN,
        "forgejo": FORGEJO_TOKEN,
        "bitbucketCloud": BITBUCKET_CLOUD_TOKEN,
        "bitbucketDataCenter": BITBUCKET_DATA_CENTER_TOKEN,
        "azureDevOps": AZURE_DEVOPS_TOKEN,
    }
    return {host: {"tokens": {token: {"login": "pilotage-bot"}}} for host, token in tokens.items()}


def _github() -> Json:
    inputs: Json = {name: {"required": False, "default": ""} for name in _WORKFLOW_INPUTS}
    return {
        "tokens": {GITHUB_TOKEN: {"login": "pilotage-bot", "limit": _GENEROUS_QUOTA}},
        "app": {"id": GITHUB_APP_ID, "installations": {str(GITHUB_INSTALLATION_ID): {"account": "acme"}}},
        "repos": {
            REPOSITORY: {
                "commits": [
                    {
                        "sha": ROOT_SHA,
                        "message": "First",
                        "files": {"README.md": "# web\n", "src/app.py": "version = 0\n"},
                    },
                    {
                        "sha": PREVIOUS_SHA,
                        "parents": [ROOT_SHA],
                        "message": "Before",
                        "files": {"src/app.py": "version = 1\n"},
                    },
                    {
                        "sha": HEAD_SHA,
                        "parents": [PREVIOUS_SHA],
                        "message": "Sell umbrellas",
                        "author": AUTHOR,
                        "files": {"src/app.py": "version = 2\n"},
                    },
                    {
                        "sha": MERGE_SHA,
                        "parents": [PREVIOUS_SHA, HEAD_SHA],
                        "message": f"Merge pull request #{PULL_NUMBER} from acme/umbrellas",
                        "files": {"src/app.py": "version = 2\n"},
                    },
                    {
                        "sha": HOTFIX_SHA,
                        "parents": [PREVIOUS_SHA],
                        "message": "Hotfix",
                        "files": {"src/hotfix.py": "fixed = True\n"},
                    },
                ],
                "branches": {"main": MERGE_SHA, "umbrellas": HEAD_SHA, "hotfix": HOTFIX_SHA},
                "pulls": [
                    {
                        "number": PULL_NUMBER,
                        "title": "Sell umbrellas",
                        "author": AUTHOR,
                        "merged": True,
                        "merge_sha": MERGE_SHA,
                        "head": {"ref": "umbrellas", "sha": HEAD_SHA},
                        "base": {"ref": "main", "sha": PREVIOUS_SHA},
                        "labels": ["feature"],
                        "files": ["src/app.py"],
                    }
                ],
                "workflows": {
                    "e2e.yml": {
                        "name": "e2e",
                        "run_name": "e2e ${{ inputs.promotion_key }}",
                        "inputs": inputs,
                    },
                    "integration.yml": {
                        "name": "integration",
                        "run_name": "integration ${{ inputs.promotion_key }}",
                        "inputs": inputs,
                    },
                    "on-push.yml": {"name": "on push", "dispatch": False},
                },
                "collaborators": {AUTHOR: "write", "grace": "admin", "mallory": "read", "pilotage-bot": "write"},
            }
        },
    }


def _jenkins() -> Json:
    return {
        "users": {JENKINS_USER: {"token": JENKINS_TOKEN, "password": "sandbox-jenkins-password"}},
        "jobs": {
            path: {
                "parameters": list(_JENKINS_PARAMETERS),
                "test_report": {"failCount": 0, "skipCount": 1, "passCount": 41, "totalCount": 42, "suites": []},
            }
            for path in JENKINS_JOBS
        },
    }


def _gitlab() -> Json:
    return {
        "tokens": {GITLAB_TOKEN: {"username": "pilotage-bot"}},
        "projects": {
            REPOSITORY: {
                "id": 7,
                "branches": {"main": MERGE_SHA},
                "workflow_name": "$PROMOTION_KEY",
                "jobs": ["lighthouse"],
                "trigger_tokens": [GITLAB_TRIGGER_TOKEN],
                "test_report": {"total_count": 3, "success_count": 3, "failed_count": 0, "test_suites": []},
            }
        },
    }


def _argocd() -> Json:
    def app(environment: str, revision: str) -> Json:
        return {
            "project": PROJECT,
            "revision": revision,
            "images": [f"{IMAGE}:{{revision}}"],
            "labels": {"app": "web", "env": environment},
            "source": {"repoURL": REPOSITORY_URL, "path": "deploy", "targetRevision": revision},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": f"web-{environment}"},
        }

    return {
        "tokens": {ARGOCD_TOKEN: {"subject": "pilotage", "projects": {PROJECT: ["get", "sync", "update", "override"]}}},
        "users": {"admin": "sandbox-argocd-password"},
        "revisions": {FAILING_SHA: {"fails": 'namespaces "no-such-namespace" not found'}},
        "apps": {
            DEV_APP: app("dev", MERGE_SHA),
            STAGING_APP: app("staging", PREVIOUS_SHA),
            PROD_APP: app("prod", PREVIOUS_SHA),
        },
    }
