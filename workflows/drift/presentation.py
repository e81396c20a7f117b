"""What people see of an instance's DriftWorkflow. Pure."""

from dataclasses import dataclass
from datetime import datetime

from activities.models.drift import InstanceRef, Silence, Suspicion
from crds.texts.markdown import inline
from crds.texts.plain import counted


@dataclass(frozen=True, kw_only=True)
class DriftProgress:
    """Answer the query: what the last look found, and what awaits a second one."""

    instance: InstanceRef
    monitors: int
    looked_at: datetime | None
    suspicions: tuple[Suspicion, ...]
    silent: tuple[Silence, ...]


def details(progress: DriftProgress) -> str:
    """Return the current details as Markdown."""
    instance = progress.instance
    title = f"**Drift of ArgoCDInstance/{instance.name} in {instance.namespace}**"
    if progress.looked_at is None:
        return f"{title}: not looked at yet"
    lines = [
        f"{title}: {counted(progress.monitors, 'monitor')}, looked at {progress.looked_at:%Y-%m-%d %H:%M:%S} UTC",
        "",
    ]
    lines += [
        f"- no answer: {inline(one.project or 'all projects')}: {inline(one.failure.text)}" for one in progress.silent
    ]
    lines += [
        f"- to be looked at again: {inline(one.monitor)}: {one.verdict.kind or 'in place'}"
        for one in progress.suspicions
    ]
    return "\n".join(lines).rstrip()
