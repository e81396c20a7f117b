"""Look at one thing after the other; what cannot be looked at hides nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crds.api.ports import ApiError
from worker.cli import session
from worker.cli.doctor.credentials import credentials
from worker.cli.doctor.installed import admissions, definitions
from worker.cli.doctor.rights import rights
from worker.cli.doctor.temporal import temporal
from worker.cli.findings import Finding, well, wrong
from worker.cli.options import ClusterTarget
from worker.cli.session import Session
from worker.settings import InvalidSettings, Settings, load_settings, misspelt


@dataclass(frozen=True, kw_only=True)
class _Extent:
    """The part of the settings that an examination needs."""

    installation: str
    """Empty where the settings do not name one."""
    system_namespace: str
    namespaces: Sequence[str]
    flux_alerts: bool = False


async def examine(target: ClusterTarget, accounts: Mapping[str, str]) -> list[Finding]:
    """Look at everything, in the order in which an installation is made."""
    extent, findings = _settings()
    namespaces = (target.namespace,) if target.namespace else extent.namespaces
    try:
        async with session.opener(target) as kubernetes:
            asked = Session(kubernetes=kubernetes, namespace=target.namespace or kubernetes.default_namespace)
            findings.append(well("cluster", f"the API server answers {await asked.user_name()}"))
            findings += [one async for one in definitions(kubernetes)]
            findings += [one async for one in admissions(kubernetes)]
            asked_for = rights(kubernetes, namespaces, accounts, flux_alerts=extent.flux_alerts)
            findings += [one async for one in asked_for]
            declared = credentials(kubernetes, namespaces, system_namespace=extent.system_namespace)
            findings += [one async for one in declared]
    except ApiError as error:
        fix = session.for_people(error, target).advice or "kubectl cluster-info"
        findings.append(wrong("cluster", f"the API server: {error.message}", fix=fix))
    return [*findings, *[one async for one in temporal(extent.installation)]]


def _settings() -> tuple[_Extent, list[Finding]]:
    fix = "set it to what the processes have"
    misnamed = [wrong("setting", str(one), fix="correct its name") for one in misspelt()]
    try:
        settings = load_settings()
    except InvalidSettings as error:
        defaults = Settings.model_fields["system_namespace"].default
        extent = _Extent(installation="", system_namespace=defaults, namespaces=())
        return extent, [wrong("setting", line, fix=fix) for line in error.lines]
    extent = _Extent(
        installation=settings.installation,
        system_namespace=settings.system_namespace,
        namespaces=settings.namespaces,
        flux_alerts=settings.flux_alerts,
    )
    return extent, [well("setting", f"PILOTAGE_INSTALLATION is {settings.installation}"), *misnamed]
