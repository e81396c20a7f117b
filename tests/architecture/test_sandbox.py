"""Workflows load in the sandbox that workers use, and nothing forbidden does."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, SerializationContext, WithSerializationContext
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError, UnintentionalPassthroughError
from temporalio.workflow import _Definition as WorkflowDefinition

from worker.serving.registry import WORKFLOWS
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import FORBIDDEN_MODULES, require_no_context, workflow_runner


async def prepare(workflow: type) -> None:
    workflow_runner().prepare_workflow(WorkflowDefinition.must_from_class(workflow))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.__name__)
async def test_a_workflow_loads(workflow: type) -> None:
    await prepare(workflow)
    assert WorkflowDefinition.from_class(workflow) is not None


async def load(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    body = """
        from temporalio import workflow

        @workflow.defn
        class Planted:
            @workflow.run
            async def run(self) -> None: ...
        """
    (tmp_path / f"{name}.py").write_text(code + textwrap.dedent(body))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__(name)
    await prepare(module.Planted)


@pytest.mark.parametrize("forbidden", sorted({*FORBIDDEN_MODULES, "crds.api.kubernetes", "crds.fields"}))
async def test_a_forbidden_module_stops_the_worker(
    forbidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((RestrictedWorkflowAccessError, UnintentionalPassthroughError)):
        await load(f"import {forbidden}\n", tmp_path, monkeypatch, f"planted_{forbidden.replace('.', '_')}")


async def test_even_an_explicit_passthrough_of_a_provider_stops_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
from temporalio import workflow as _workflow
with _workflow.unsafe.imports_passed_through():
    import providers.errors
"""
    with pytest.raises(RestrictedWorkflowAccessError):
        await load(code, tmp_path, monkeypatch, "planted_passthrough")


async def test_an_activity_implementation_stops_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnintentionalPassthroughError):
        await load("import activities.failures\n", tmp_path, monkeypatch, "planted_implementation")


class _Codec(PayloadCodec, WithSerializationContext):
    def with_context(self, context: SerializationContext) -> "_Codec":
        return self

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


def test_a_data_converter_that_needs_the_context_which_the_runner_leaves_out_stops_the_worker() -> None:
    require_no_context(DATA_CONVERTER)
    with pytest.raises(TypeError, match="_Codec"):
        require_no_context(replace(DATA_CONVERTER, payload_codec=_Codec()))
