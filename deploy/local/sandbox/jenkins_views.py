"""What the Jenkins stand-in shows of its jobs, queue and builds."""

from typing import Any
from urllib.parse import quote

from deploy.local.sandbox.jenkins_state import Build, Cause, JenkinsState, Job, Parameter, QueueItem
from deploy.local.sandbox.replies import Json

_BUILDS_SHOWN = 100


class Views:
    """Render for one request; URLs are absolute, as Jenkins builds them from its configured address."""

    def __init__(self, state: JenkinsState, url: str) -> None:
        self._state = state
        self._url = url

    def job_url(self, path: str) -> str:
        return self._url + "".join(f"/job/{quote(part, safe='')}" for part in path.split("/")) + "/"

    def build_url(self, job: Job, build: Build) -> str:
        return f"{self.job_url(job.path)}{build.number}/"

    def item_url(self, item: QueueItem) -> str:
        return f"{self._url}/queue/item/{item.number}/"

    def root(self) -> Json:
        names = sorted({path.partition("/")[0] for path in self._state.jobs})
        return {
            "_class": "hudson.model.Hudson",
            "mode": "NORMAL",
            "nodeDescription": "the Jenkins controller's built-in node",
            "quietingDown": False,
            "useCrumbs": True,
            "url": f"{self._url}/",
            "jobs": [{"name": name, "url": self.job_url(name)} for name in names],
        }

    def folder(self, path: str) -> Json:
        below = sorted(
            {name[len(path) + 1 :].partition("/")[0] for name in self._state.jobs if name.startswith(f"{path}/")}
        )
        return {
            "_class": "com.cloudbees.hudson.plugins.folder.Folder",
            "fullName": path,
            "name": path.rpartition("/")[2],
            "url": self.job_url(path),
            "jobs": [{"name": name, "url": self.job_url(f"{path}/{name}")} for name in below],
        }

    def job(self, job: Job, *, all_builds: bool) -> Json:
        """Show a job with its newest builds; only a tree that names `allBuilds` gets them all."""
        builds = [
            self.build(job, build) for build in self._state.listed(job, limit=None if all_builds else _BUILDS_SHOWN)
        ]
        definitions = [
            {
                "_class": _definition_class(parameter.choices),
                "name": parameter.name,
                "type": "StringParameterDefinition",
                **_default(parameter),
            }
            for parameter in job.parameters.values()
        ]
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
            "name": job.path.rpartition("/")[2],
            "fullName": job.path,
            "fullDisplayName": job.path.replace("/", " » "),
            "url": self.job_url(job.path),
            "buildable": not job.disabled,
            "color": "disabled" if job.disabled else "blue",
            "inQueue": any(item.job is job for item in self._state.waiting.values()),
            "nextBuildNumber": job.next_build,
            "builds": builds[:_BUILDS_SHOWN],
            **({"allBuilds": builds} if all_builds else {}),
            "lastBuild": builds[0] if builds else None,
            "property": [{"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": definitions}]
            if definitions
            else [],
        }

    def build(self, job: Job, build: Build) -> Json:
        now = self._state.clock.now()
        result = build.result(now)
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
            "number": build.number,
            "id": str(build.number),
            "queueId": build.queue_id,
            "url": self.build_url(job, build),
            "building": result is None,
            "inProgress": result is None,
            "result": result,
            "timestamp": int(build.started_at * 1000),
            "duration": round(build.duration_seconds(now) * 1000),
            "estimatedDuration": -1,
            "description": None,
            "displayName": f"#{build.number}",
            "fullDisplayName": f"{job.path.replace('/', ' » ')} #{build.number}",
            "keepLog": False,
            "actions": self._actions(job, build.parameters, build.causes),
        }

    def queue(self) -> Json:
        return {
            "_class": "hudson.model.Queue",
            "items": [self.item(item) for item in reversed(self._state.waiting.values())],
        }

    def item(self, item: QueueItem) -> Json:
        shown: Json = {
            "_class": "hudson.model.Queue$LeftItem",
            "id": item.number,
            "blocked": False,
            "buildable": False,
            "stuck": False,
            "why": None,
            "inQueueSince": int(item.since * 1000),
            "url": f"queue/item/{item.number}/",
            "params": "".join(f"\n{name}={value}" for name, value in item.parameters.items()),
            "task": {
                "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
                "name": item.job.path.rpartition("/")[2],
                "url": self.job_url(item.job.path),
            },
            "actions": self._actions(item.job, item.parameters, item.causes),
        }
        if item.waiting:
            wait = max(item.leaves_at - self._state.clock.now(), 0)
            shown.update(
                {
                    "_class": "hudson.model.Queue$WaitingItem",
                    "why": f"In the quiet period. Expires in {wait:.1f} sec",
                    "timestamp": int(item.leaves_at * 1000),
                }
            )
        else:
            shown["cancelled"] = item.cancelled
            shown["executable"] = (
                None
                if item.build is None
                else {
                    "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
                    "number": item.build.number,
                    "url": self.build_url(item.job, item.build),
                }
            )
        return shown

    def _actions(self, job: Job, parameters: dict[str, str], causes: tuple[Cause, ...]) -> list[Json]:
        shown: list[Any] = []
        for name, value in parameters.items():
            declared = job.parameters.get(name)
            if declared is not None and declared.hidden:
                shown.append({"_class": "hudson.model.PasswordParameterValue", "name": name})
            else:
                shown.append({"_class": "hudson.model.StringParameterValue", "name": name, "value": value})
        actions: list[Json] = [
            {"_class": "hudson.model.CauseAction", "causes": [_cause(cause) for cause in causes]},
            {},
        ]
        if shown:
            actions.insert(0, {"_class": "hudson.model.ParametersAction", "parameters": shown})
        return actions


def _cause(cause: Cause) -> Json:
    user = {"userId": cause.user, "userName": cause.user} if cause.user else {}
    return {"_class": cause.kind, "shortDescription": cause.description, **user}


def _default(parameter: Parameter) -> Json:
    """Show a parameter's value where a request sends none; a password's is not shown."""
    if parameter.hidden:
        return {}
    value = parameter.choices[0] if parameter.choices else parameter.default
    return {"defaultParameterValue": {"_class": "hudson.model.StringParameterValue", "value": value}}


def _definition_class(choices: tuple[str, ...]) -> str:
    return f"hudson.model.{'Choice' if choices else 'String'}ParameterDefinition"
