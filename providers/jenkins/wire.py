"""Jenkins' remote API as pure functions (https://www.jenkins.io/doc/book/using/remote-access-api/)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

from providers.documents import Document, at, document, documents, flag, number, required_number, text
from providers.errors import ProviderRejected
from providers.messages import Reply, Request, segment
from providers.models import Run, RunPhase, RunReading
from providers.origins import Facts, Ours, judged
from providers.runs import test_counts

KEY_PARAMETER = "PROMOTION_KEY"
# `builds` shows the newest hundred anyway; older ones need the costlier `allBuilds`, asked for in busy jobs only.
_BUILDS_SEEN = 100
_OLDER_BUILDS_SEEN = 1000
_YOUNG_SECONDS = 3600.0
_PARAMETERS = "actions[parameters[name,value],causes[shortDescription,userId]]"
_BUILD = f"number,url,queueId,building,result,timestamp,{_PARAMETERS}"
# Causes of builds that a person had repeated, with all their parameters: the key as well, and perhaps another script.
_COPIES = frozenset({"RebuildCause", "ReplayCause", "RestartDeclarativePipelineCause", "NaginatorCause"})
# Of other kinds the default may be computed again each time.
_FIXED_DEFAULTS = frozenset({
    "StringParameterDefinition", "TextParameterDefinition", "BooleanParameterDefinition", "ChoiceParameterDefinition"
})  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = 253_402_300_799_000
_QUEUE_ITEM = re.compile(r"/queue/item/(\d{1,18})/?$", re.ASCII)
_TIMEOUT = re.compile(r"exceededtimeout|time-?d? ?out", re.IGNORECASE)

_RESULTS: Mapping[str, RunPhase] = {
    "SUCCESS": RunPhase.PASSED,
    "FAILURE": RunPhase.FAILED,
    "ABORTED": RunPhase.CANCELLED,
    "NOT_BUILT": RunPhase.ERROR,
}


@dataclass(frozen=True, kw_only=True)
class BuildLocator:
    """Where a run is: waiting as a queue item, or a build. Travels as the opaque id of a Run."""

    queue: int = 0
    build: int = 0

    @property
    def id(self) -> str:
        return f"build:{self.build}:{self.queue}" if self.build else f"queue:{self.queue}"


def read_place(run_id: str) -> BuildLocator:
    """Read an opaque id; one that is not ours names no place, so that the run is looked for by its key."""
    match run_id.split(":"):
        case ["queue", queue] if queue.isdecimal():
            return BuildLocator(queue=int(queue))
        case ["build", build, queue] if build.isdecimal():
            return BuildLocator(build=int(build), queue=int(queue) if queue.isdecimal() else 0)
        case _:
            return BuildLocator()


def job_path(job: str) -> str:
    """Return the path of a job in folders. A branch job named `a%2Fb` is quoted once more, to `a%252Fb`."""
    names = [name for name in job.strip("/").split("/") if name]
    if not names:
        raise ProviderRejected("the job has no name; write its folder path, such as `web/integration`")
    return "".join(f"/job/{segment(name)}" for name in names)


def list_builds(job: str) -> Request:
    """Ask for the newest builds and the declared parameters; always with `tree`, a deep answer is costly."""
    declared = "property[parameterDefinitions[name,defaultParameterValue[value]]]"
    tree = f"builds[{_BUILD}]{{0,{_BUILDS_SEEN}}},{declared}"
    return Request(method="GET", path=f"{job_path(job)}/api/json", query={"tree": tree}, operation="list-builds")


def list_older_builds(job: str) -> Request:
    """Ask for the builds behind the newest hundred."""
    tree = f"allBuilds[{_BUILD}]{{{_BUILDS_SEEN},{_OLDER_BUILDS_SEEN}}}"
    return Request(method="GET", path=f"{job_path(job)}/api/json", query={"tree": tree}, operation="list-builds")


def is_busy(value: Document, now_seconds: float, age_seconds: float) -> bool:
    """Return whether a run of ours, of this age at most, may stand behind the newest hundred builds."""
    builds = documents(value, "builds")
    oldest_seconds = min((number(build, "timestamp") for build in builds), default=0) / 1000
    return len(builds) >= _BUILDS_SEEN and oldest_seconds > now_seconds - max(age_seconds, _YOUNG_SECONDS)


def as_builds(older: Document) -> Document:
    """Show older builds as the newest are shown."""
    return {"builds": list(documents(older, "allBuilds"))}


def list_queue() -> Request:
    tree = f"items[id,url,inQueueSince,task[url],{_PARAMETERS}]"
    return Request(method="GET", path="/queue/api/json", query={"tree": tree}, operation="list-queue")


def read_builds(value: Document, key: str, *, now: datetime | None, ours: Ours) -> tuple[Run, ...]:
    """Read the builds that carry the key, oldest first; foreign ones carry the reason."""
    found = [build for build in documents(value, "builds") if key_of(build) == key]
    return tuple(
        judged(_build_run(build, key), _facts(build, "timestamp", now), ours)
        for build in sorted(found, key=lambda build: number(build, "number"))
    )


def find_build(value: Document, *, key: str, queue: int) -> Run | None:
    """Find the build that our queue item became, by the item's id."""
    for build in documents(value, "builds"):
        if queue and number(build, "queueId") == queue and may_carry(build, key, queue=queue):
            return _build_run(build, key)
    return None


def read_queue(value: Document, key: str, *, now: datetime | None, ours: Ours) -> tuple[Run, ...]:
    """Read the waiting items that carry the key, oldest first; foreign ones carry the reason."""
    found = [item for item in documents(value, "items") if key_of(item) == key]
    return tuple(
        judged(Run(id=BuildLocator(queue=number(item, "id")).id, key=key), _facts(item, "inQueueSince", now), ours)
        for item in sorted(found, key=lambda item: number(item, "id"))
    )


def defaults(value: Document) -> dict[str, object]:
    """Read what a job fills in for parameters that no one sends, where that is a fixed value."""
    found: dict[str, object] = {}
    for entry in documents(value, "property"):
        for parameter in documents(entry, "parameterDefinitions"):
            filled = at(parameter, "defaultParameterValue", "value")
            fixed = text(parameter, "_class").rpartition(".")[2] in _FIXED_DEFAULTS
            if fixed and isinstance(filled, str | bool | int | float):
                found[text(parameter, "name")] = filled
    return found


def _facts(value: Document, created: str, now: datetime | None) -> Facts:
    """Read what a build or a queue item shows of its beginning."""
    moment = number(value, created)
    causes = [
        cause
        for action in documents(value, "actions")
        if text(action, "_class").endswith(".CauseAction")
        for cause in documents(action, "causes")
    ]
    # Equal items are folded, with the causes of all who asked.
    users = [text(cause, "userId") for cause in causes if text(cause, "userId")]
    copies = [text(cause, "shortDescription") for cause in causes if _kind(cause) in _COPIES]
    return Facts(
        created=_EPOCH + timedelta(milliseconds=moment) if 0 < moment < _LAST_MOMENT else None,
        now=now,
        accounts=tuple(users) if users or causes else None,
        parameters=_parameters(value),
        copied=f"it repeats another build: {'; '.join(copies) or 'no reason shown'}" if copies else "",
    )


def _kind(cause: Document) -> str:
    return text(cause, "_class").rpartition(".")[2]


def _parameters(value: Document) -> dict[str, object]:
    """Read the parameters that show a plain value; a password, a file or a run does not."""
    return {
        text(parameter, "name"): filled
        for action in documents(value, "actions")
        for parameter in documents(action, "parameters")
        if isinstance(filled := at(parameter, "value"), str | bool | int | float)
        and text(parameter, "name") != KEY_PARAMETER
    }


def declares_key(value: Document) -> bool:
    """Return whether the job declares the key's parameter; Jenkins drops undeclared ones without notice."""
    names = [
        text(parameter, "name")
        for entry in documents(value, "property")
        for parameter in documents(entry, "parameterDefinitions")
    ]
    return not names or KEY_PARAMETER in names


def key_of(value: Document) -> str:
    """Read the key from a build's or queue item's parameters."""
    for action in documents(value, "actions"):
        for parameter in documents(action, "parameters"):
            if at(parameter, "name") == KEY_PARAMETER:
                return text(parameter, "value")
    return ""


def may_carry(value: Document, key: str, *, queue: int) -> bool:
    """Return whether a build may be what our queue item became: numbers begin again with a job that was made again.

    A parameter that Jenkins hides, as a password, shows no value; then the item counts, 0 for one that is not known.
    """
    if shown := key_of(value):
        return shown == key
    return not queue or _queue_of(value) in (0, queue)


def may_wait(value: Document, job: str, key: str) -> bool:
    """Return whether a queue item may be ours: a controller that crashed gives ids of its last minute once more."""
    if shown := key_of(value):
        return shown == key
    path = unquote(_path_of(text(value, "task", "url"))).rstrip("/")
    return not path or path.endswith(unquote(job_path(job)))


def trigger(job: str, key: str, parameters: Mapping[str, str]) -> Request:
    """Start a build at once. Its answer is never followed: 201 and 303 both name the queue item in Location."""
    return Request(
        method="POST",
        path=f"{job_path(job)}/buildWithParameters",
        # A job's own parameter of this name is the delay as well; sent twice Jenkins refuses it.
        query={} if "delay" in parameters else {"delay": "0sec"},
        form={**parameters, KEY_PARAMETER: key},
        operation="trigger",
        accepts=frozenset({302, 303}),
    )


def read_queue_item(reply: Reply) -> int | None:
    """Read the queue item from Location; only its path counts, since the host may be named otherwise there."""
    match = _QUEUE_ITEM.search(unquote(_path_of(reply.headers.get("location", ""))))
    return int(match[1]) if match else None


def get_queue_item(queue: int) -> Request:
    tree = "cancelled,why,blocked,buildable,stuck,executable[number,url],task[url],actions[parameters[name,value]]"
    path = f"/queue/item/{queue}/api/json"
    return Request(method="GET", path=path, query={"tree": tree}, operation="get-queue-item")


def read_item(value: Document, *, queue: int, key: str) -> RunReading | BuildLocator:
    """Read a waiting or cancelled item, or the place of the build that it became."""
    if at(value, "executable") is not None and at(value, "executable", "number") is not None:
        return BuildLocator(build=required_number(value, "executable", "number"), queue=queue)
    run = Run(id=BuildLocator(queue=queue).id, key=key, url=text(value, "task", "url"))
    if flag(value, "cancelled"):
        return RunReading(run=run, phase=RunPhase.CANCELLED, message="cancelled while it was queued")
    return RunReading(run=run, phase=RunPhase.QUEUED, message=text(value, "why", default="waiting in the queue"))


def get_build(job: str, build: int) -> Request:
    tree = "number,url,queueId,building,inProgress,result,actions[parameters[name,value],causes[shortDescription]]"
    path = f"{job_path(job)}/{build}/api/json"
    return Request(method="GET", path=path, query={"tree": tree}, operation="get-build")


def read_build(value: Document, *, run: Run, results: Mapping[str, RunPhase]) -> RunReading:
    """Read a build; it is final only when a result is there and it no longer builds."""
    build = required_number(value, "number")
    queue = _queue_of(value) or read_place(run.id).queue
    here = Run(id=BuildLocator(build=build, queue=queue).id, key=run.key, url=text(value, "url", default=run.url))
    result = text(value, "result")
    if flag(value, "building") or flag(value, "inProgress") or not result:
        return RunReading(run=here, phase=RunPhase.RUNNING, number=str(build))
    if result == "ABORTED" and _timed_out(value):
        return RunReading(run=here, phase=RunPhase.TIMED_OUT, number=str(build), message="aborted by a timeout")
    phase = results["unstable"] if result == "UNSTABLE" else _RESULTS.get(result, RunPhase.ERROR)
    message = "" if result == "SUCCESS" else f"result {result}"
    if result == "ABORTED" and (cause := _interruption(value)):
        message = f"{message}: {cause}"
    return RunReading(run=here, phase=phase, number=str(build), message=message)


def get_test_report(job: str, build: int) -> Request:
    """Ask for test counts; 404 where the job publishes none."""
    return Request(
        method="GET",
        path=f"{job_path(job)}/{build}/testReport/api/json",
        query={"tree": "failCount,skipCount,passCount,totalCount"},
        operation="get-test-report",
        accepts=frozenset({404}),
    )


def read_test_report(value: Document) -> str:
    failed, skipped = number(value, "failCount"), number(value, "skipCount")
    # Aggregated reports have a total instead of a pass count.
    passed = number(value, "passCount", default=max(0, number(value, "totalCount") - failed - skipped))
    return test_counts(passed=passed, failed=failed, skipped=skipped)


def cancel_queue_item(queue: int) -> Request:
    return Request(
        method="POST",
        path="/queue/cancelItem",
        query={"id": str(queue)},
        operation="cancel-queue-item",
        accepts=frozenset({302, 303, 404, 422}),
    )


def stop_build(job: str, build: int) -> Request:
    return Request(
        method="POST",
        path=f"{job_path(job)}/{build}/stop",
        operation="stop-build",
        accepts=frozenset({302, 303, 404}),
    )


def get_crumb() -> Request:
    """Ask for a crumb; 404 where the check is off."""
    return Request(method="GET", path="/crumbIssuer/api/json", operation="get-crumb", accepts=frozenset({404}))


def check() -> Request:
    return Request(method="GET", path="/api/json", query={"tree": "mode"}, operation="check")


def read_version(reply: Reply) -> str:
    document(reply.value())
    return f"Jenkins {reply.headers.get('x-jenkins', '')}".strip()


def _path_of(url: str) -> str:
    """Return the path of an address; empty for none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _queue_of(build: Document) -> int:
    """Return the queue item that became this build; 0 for none. Jenkins shows -1 for one that it loaded from disk."""
    return max(number(build, "queueId"), 0)


def _ends(value: Document) -> Iterator[Document]:
    """Yield the causes of a build's end (jenkins.model.InterruptedBuildAction)."""
    for action in documents(value, "actions"):
        # Why the build began is no evidence of its end, even where the starting job is named after timeouts.
        if not text(action, "_class").endswith(".CauseAction"):
            yield from documents(action, "causes")


def _timed_out(value: Document) -> bool:
    """Look for the cause that a `timeout` step leaves."""
    causes = (f"{text(cause, '_class')} {text(cause, 'shortDescription')}" for cause in _ends(value))
    return any(_TIMEOUT.search(cause) is not None for cause in causes)


def _interruption(value: Document) -> str:
    """Return who or what ended a build, such as `Aborted by mona`."""
    return "; ".join(filter(None, (text(cause, "shortDescription") for cause in _ends(value))))


def _build_run(build: Document, key: str) -> Run:
    place = BuildLocator(build=required_number(build, "number"), queue=_queue_of(build))
    return Run(id=place.id, key=key, url=text(build, "url"))
