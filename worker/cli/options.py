"""Options that several commands share. Imports nothing heavy: it is loaded for `--help`."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which cluster and namespace is meant; None where kubectl's own rules decide."""

    namespace: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None


def complete_tracker(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the names of trackers to the shell; nothing where the cluster does not answer."""
    from worker.cli.completion import tracker_names

    parameters = context.params
    given = choose(context, parameters.get("namespace"), parameters.get("kubeconfig"), parameters.get("context"))
    return [name for name in tracker_names(given) if name.startswith(incomplete)]


NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; the context's own if not given.")
]
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Kubeconfig file; else $KUBECONFIG, ~/.kube/config, the pod's own.")
]
ContextOption = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Format of the answer.")]
TrackerArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name of the tracker, such as web-412.", autocompletion=complete_tracker),
]


def choose(invocation: typer.Context, namespace: str | None, kubeconfig: Path | None, context: str | None) -> Target:
    """Merge options given after the command's name with those before it; the later ones win."""
    outer = invocation.find_root().obj
    target = outer if isinstance(outer, Target) else Target()
    return replace(
        target,
        namespace=namespace or target.namespace,
        kubeconfig=kubeconfig or target.kubeconfig,
        context=context or target.context,
    )
