"""Pure: what must run where in the end, judged from the delivery system's own state."""

from collections.abc import Iterable

from tests.chaos.evidence import Application, Evidence
from tests.chaos.world import Change

_UNENDED_PHASES = ("Running", "Terminating")


def misplaced(evidence: Evidence) -> Iterable[str]:
    """Find completed changes that a place of their way does not run, and applications that are not at rest there.

    A change is contained in its own revision and in that of every later change of its repository.
    """
    seen = {application.name: application for application in evidence.applications}
    states = {tracker["metadata"]["name"]: tracker.get("status", {}).get("state") for tracker in evidence.trackers}
    completed = [change for change in evidence.world.changes() if states.get(change.tracker) == "Completed"]
    for repository in evidence.world.repositories:
        ours = [change for change in completed if change.repository == repository]
        for stage in evidence.world.stages(repository):
            name = f"{repository}-{stage}"
            application = seen.get(name)
            if application is None:
                yield f"{name}: there is no such application, but {_named(ours)}"
                continue
            yield from _behind(evidence, application, ours)
            yield from _restless(application)


def _behind(evidence: Evidence, application: Application, completed: list[Change]) -> Iterable[str]:
    found = evidence.world.position(application.live or "")
    runs = f"{application.name} runs {(application.live or 'nothing')[:12]}"
    if found is None or not application.name.startswith(f"{found[0]}-"):
        yield f"{runs}, which is no commit of its repository; {_named(completed)}"
    elif missing := [change for change in completed if change.number > found[1]]:
        yield f"{runs}, change {found[1]}, but {_named(missing)}"


def _restless(application: Application) -> Iterable[str]:
    """Find what is not synced to its target, not healthy, or still under operation."""
    if application.sync != "Synced" or application.live != application.target:
        live, target = (application.live or "nothing")[:12], application.target[:12]
        yield f"{application.name}: is {application.sync} and runs {live}, its targetRevision is {target}"
    if application.health != "Healthy":
        yield f"{application.name}: is {application.health}"
    if application.operating or application.phase in _UNENDED_PHASES:
        yield f"{application.name}: an operation is left over, in phase {application.phase}"


def _named(changes: list[Change]) -> str:
    return f"Completed: {', '.join(change.tracker for change in changes) or 'none'}"
