"""The workflow sandbox of the worker, the replayer and the tests: what workflows may import, and what is shared.

The SDK calls this part of its API unstable, so that it stays in this module.

For each payload of each activation the SDK asks the workflow instance for its serialization context, by executing a
source string inside the sandbox: nearly half of the time of a replay. The context only reaches payload codecs, failure
converters and external storage that ask for one. None of ours does, so the answer is given outside of the sandbox, and
`require_no_context` stops a worker whose data converter has such a part.

What an activation answers passes through here as well, so that no two tasks in a row leave no event
(task_marks.py).
"""

import pkgutil

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import (
    DataConverter,
    SerializationContext,
    StorageDriverStoreContext,
    WithSerializationContext,
)
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxMatcher, SandboxRestrictions
from temporalio.worker.workflow_sandbox._runner import _Instance
from temporalio.workflow import SandboxImportNotificationPolicy

import crds
import workflows
from worker.temporal.task_marks import TaskMarks

FORBIDDEN_MODULES = frozenset({"aiohttp", "httpx", "kubernetes", "providers", "structlog", "worker"})
"""Not even an explicit passthrough lets a workflow import these, nor anything of `crds` but its texts."""
_RESOURCES = frozenset(module.name for module in pkgutil.iter_modules(crds.__path__)) - {"texts"}


def shared_modules() -> tuple[str, ...]:
    """Name the modules that all workflow instances share instead of loading them again.

    These are the contracts, the wire types, the texts and every module of `workflows` that defines no workflow: none
    of them keeps state. A module called `workflow` defines one, and each instance has its own, as it has the package
    that the module stands in.
    """
    found = {module.name for module in pkgutil.walk_packages(workflows.__path__, prefix="workflows.")}
    own = {name for name in found if name.endswith(".workflow") or f"{name}.workflow" in found}
    rules = found - own
    # OpenTelemetry's context travels through workflows when tracing is on.
    return ("activities.contracts", "activities.models", "crds.reasons", "crds.texts", "opentelemetry", *sorted(rules))


RESTRICTIONS = SandboxRestrictions(
    passthrough_modules=SandboxRestrictions.passthrough_modules_default | set(shared_modules()),
    invalid_modules=SandboxMatcher(
        access=set(FORBIDDEN_MODULES), children={"crds": SandboxMatcher(access=set(_RESOURCES))}
    ),
    invalid_module_members=SandboxRestrictions.invalid_module_members_default,
    import_notification_policy=SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
    | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH,
)


class _OurInstance(_Instance):
    def __init__(self, det: WorkflowInstanceDetails, runner: SandboxedWorkflowRunner) -> None:
        super().__init__(det, runner.runner_class, runner.restrictions)
        self._marks = TaskMarks(det.info)

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = super().activate(act)
        self._marks.complete(act, completion)
        return completion

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:
        return None

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:
        return StorageDriverStoreContext()


class _OurRunner(SandboxedWorkflowRunner):
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _OurInstance(det, self)


def _asks(part: object) -> bool:
    return isinstance(part, WithSerializationContext)


def require_no_context(converter: DataConverter) -> None:
    """Raise TypeError, naming the part, where a data converter needs the serialization context of workflows."""
    storage = converter.external_storage
    needing = [one for one in (converter.payload_codec, converter.failure_converter) if _asks(one)]
    for part in (*needing, *([] if storage is None else [storage])):
        raise TypeError(f"{type(part).__name__} needs serialization contexts, which the workflow runner leaves out")


def workflow_runner() -> SandboxedWorkflowRunner:
    """Build the runner under which workflows run, replay and are tested."""
    return _OurRunner(restrictions=RESTRICTIONS)
