"""Pure: the times of a chaos run as people read them, so that a broken promise explains itself."""

from collections.abc import Iterable

from tests.chaos.evidence import Build, Evidence


def moment(evidence: Evidence, at: float) -> str:
    """Show a time of the sandbox's clock as seconds since the run began, as its progress lines do."""
    return f"{at - evidence.began_at:.2f} s"


def moments(evidence: Evidence, times: Iterable[float]) -> str:
    """Show several."""
    return ", ".join(moment(evidence, at) for at in times)


def shown_builds(evidence: Evidence, builds: Iterable[Build]) -> str:
    """Show what builds tested, and when."""
    return "; ".join(
        f"{build.job} #{build.number} on {build.revision[:12]} for pull request {build.pull} from {build.source}, "
        f"{_span(evidence, build)}"
        for build in builds
    )


def story_of(evidence: Evidence, key: str) -> str:
    """Return, in order, when each trigger and stop under a key arrived, what became of it, and when its builds ran."""
    lines = [(call.at, call.what) for call in evidence.attempts if call.key == key]
    for build in evidence.builds:
        if build.key == key:
            lines.append((build.started_at, f"#{build.number} started"))
            if build.ended_at is not None:
                lines.append((build.ended_at, f"#{build.number} ended {build.result}"))
    return "; ".join(f"{moment(evidence, at)} {what}" for at, what in sorted(lines)) or "nothing is known of it"


def _span(evidence: Evidence, build: Build) -> str:
    began = f"started {moment(evidence, build.started_at)}"
    return began if build.ended_at is None else f"{began}, {build.result} {moment(evidence, build.ended_at)}"
