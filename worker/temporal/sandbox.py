"""The workflow sandbox of the worker, the replayer and the tests: what workflows may import, and what is shared.

The SDK calls this part of its API unstable, so that it stays in this module.
"""

import pkgutil

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxMatcher, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

import crds
import workflows

FORBIDDEN_MODULES = frozenset({"aiohttp", "httpx", "kubernetes", "providers", "structlog", "worker"})
"""Not even an explicit passthrough lets a workflow import these, nor anything of `crds` but its texts."""
_RESOURCES = frozenset(module.name for module in pkgutil.iter_modules(crds.__path__)) - {"texts"}


def shared_modules() -> tuple[str, ...]:
    """Name the modules that all workflow instances share instead of loading them anew.

    These are the contracts, the wire types, the texts and every module of `workflows` that defines no workflow: none
    of them keeps state. A module called `workflow` defines one, and each instance has its own, as it has the package
    that the module stands in.
    """
    found = {module.name for module in pkgutil.walk_packages(workflows.__path__, prefix="workflows.")}
    own = {name for name in found if name.endswith(".workflow") or f"{name}.workflow" in found}
    rules = found - own
    # OpenTelemetry's context travels through workflows when tracing is on.
    return ("activities.contracts", "activities.models", "crds.texts", "opentelemetry", *sorted(rules))


RESTRICTIONS = SandboxRestrictions(
    passthrough_modules=SandboxRestrictions.passthrough_modules_default | set(shared_modules()),
    invalid_modules=SandboxMatcher(
        access=set(FORBIDDEN_MODULES), children={"crds": SandboxMatcher(access=set(_RESOURCES))}
    ),
    invalid_module_members=SandboxRestrictions.invalid_module_members_default,
    import_notification_policy=SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
    | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH,
)


def workflow_runner() -> SandboxedWorkflowRunner:
    """Build the runner under which workflows run, replay and are tested."""
    return SandboxedWorkflowRunner(restrictions=RESTRICTIONS)
