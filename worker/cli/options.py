"""Options that several commands share. Imports nothing heavy: it is loaded for `--help`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

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

    return [name for name in tracker_names(_given(context)) if name.startswith(incomplete)]


def complete_namespace(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the names of namespaces to the shell; nothing where they may not be listed."""
    from worker.cli.completion import namespace_names

    return [name for name in namespace_names(_given(context)) if name.startswith(incomplete)]


NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Namespace; the context's own if not given.", autocompletion=complete_namespace
    ),
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
    root = invocation.find_root()
    # While the shell completes a line no command runs, so nobody has made a Target of the options before its name.
    target = root.obj if isinstance(root.obj, Target) else _target(root.params)
    return replace(
        target,
        namespace=namespace or target.namespace,
        kubeconfig=kubeconfig or target.kubeconfig,
        context=context or target.context,
    )


def _given(context: typer.Context) -> Target:
    """Return what a line that is not complete yet has named so far."""
    here = _target(context.params)
    return choose(context, here.namespace, here.kubeconfig, here.context)


def _target(named: Mapping[str, Any]) -> Target:
    return Target(namespace=named.get("namespace"), kubeconfig=named.get("kubeconfig"), context=named.get("context"))
