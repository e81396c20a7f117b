"""Options that several commands share. Imports nothing heavy: it is loaded for `--help`."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer


@dataclass(frozen=True)
class Output:
    """The format of an answer; `template` is that of `jsonpath`."""

    form: str
    template: str = ""

    TABLE: ClassVar["Output"]
    WIDE: ClassVar["Output"]
    NAME: ClassVar["Output"]
    JSON: ClassVar["Output"]
    YAML: ClassVar["Output"]

    @property
    def for_people(self) -> bool:
        """Whether it is text for people, not data."""
        return self in (Output.TABLE, Output.WIDE)


Output.TABLE, Output.WIDE, Output.NAME = Output("table"), Output("wide"), Output("name")
Output.JSON, Output.YAML = Output("json"), Output("yaml")
FORMS = ("table", "wide", "name", "json", "yaml", "jsonpath=")


def read_output(text: "str | Output") -> Output:
    """Read the value of `-o`."""
    if isinstance(text, Output):
        return text
    form, separator, template = text.partition("=")
    if form == "jsonpath" and separator and template:
        from worker.cli.jsonpath import InvalidTemplate, read_template

        try:
            read_template(template)
        except InvalidTemplate as error:
            raise typer.BadParameter(f"jsonpath: {error}") from None
        return Output(form, template)
    if separator or f"{form}" not in FORMS:
        raise typer.BadParameter(f"`{text}` is none of {', '.join(FORMS)}TEMPLATE")
    return Output(form)


_COMMAND = re.compile(
    r"(?:^|(?<=`)|(?<=: )|(?<=\| )|(?<=then ))(pilotage|kubectl) "
    r"(?=-n \S|doctor\b|cluster-info\b|describe \S|apply --server-side)"
)
"""The beginning of a command as Pilotage shows it: alone, as code, behind a colon or a pipe, or as the next one."""


@dataclass(frozen=True, kw_only=True)
class ClusterTarget:
    """Which cluster and namespace is meant; None where kubectl's own rules decide."""

    namespace: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None

    def command(self, *arguments: str) -> str:
        """Return a command line of this program for the same cluster and namespace, to be pasted."""
        namespace = None if "-A" in arguments else self.namespace
        return shlex.join(["pilotage", *self._options(namespace), *arguments])

    def pasted(self, text: str) -> str:
        """Return a text in which each command asks the cluster that is meant: what a status shows names none."""
        options = shlex.join(self._options())
        return _COMMAND.sub(lambda found: f"{found[1]} {options} ", text) if options else text

    def _options(self, namespace: str | None = None) -> list[str]:
        options = (("--kubeconfig", self.kubeconfig), ("--context", self.context), ("-n", namespace))
        return [str(part) for name, value in options if value for part in (name, value)]


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
OutputOption = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        parser=read_output,
        metavar="FORMAT",
        show_default=False,
        help="table, wide, name, json, yaml or jsonpath=TEMPLATE.",
        autocompletion=lambda incomplete: [form for form in FORMS if form.startswith(incomplete)],
    ),
]
TrackerArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Tracker or pull request: web-412, 412, #412, prt/web-412.",
        autocompletion=complete_tracker,
    ),
]
OptionalTrackerArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="Tracker or pull request: web-412, 412, #412, prt/web-412.",
        autocompletion=complete_tracker,
    ),
]
TrackersArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME",
        help="Trackers or pull requests: web-412, 412, #412, prt/web-412.",
        autocompletion=complete_tracker,
    ),
]


def choose(
    invocation: typer.Context, namespace: str | None, kubeconfig: Path | None, context: str | None
) -> ClusterTarget:
    """Merge options given after the command's name with those before it; the later ones win."""
    root = invocation.find_root()
    # While the shell completes a line no command runs, and there is no Target of the options before its name.
    target = root.obj if isinstance(root.obj, ClusterTarget) else _target(root.params)
    chosen = namespace or target.namespace
    if chosen is not None:
        from worker.cli.naming import object_name

        chosen = object_name(chosen, "ns", "namespace", "namespaces")
    return replace(
        target,
        namespace=chosen,
        kubeconfig=kubeconfig or target.kubeconfig,
        context=context or target.context,
    )


def _given(context: typer.Context) -> ClusterTarget:
    """Return what a line that is not complete yet has named so far."""
    here = _target(context.params)
    return choose(context, here.namespace, here.kubeconfig, here.context)


def _target(named: Mapping[str, Any]) -> ClusterTarget:
    return ClusterTarget(
        namespace=named.get("namespace"), kubeconfig=named.get("kubeconfig"), context=named.get("context")
    )
