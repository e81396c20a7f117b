"""`pilotage doctor`: look at everything that an installation needs, and print what fixes what is wrong."""

from collections.abc import Sequence
from typing import Annotated

import typer

from worker.cli.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    Output,
    OutputOption,
    choose,
)

PROCESSES = ("watcher", "worker", "receiver")

AccountOption = Annotated[
    list[str] | None,
    typer.Option(
        "--account",
        metavar="PROCESS=NAMESPACE:NAME",
        help="Check the rights of this service account instead of your own; repeatable.",
    ),
]


def doctor(
    invocation: typer.Context,
    account: AccountOption = None,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Check what an installation needs. It prints how to fix each fault.

    It checks settings, definitions, admission policies, rights, credentials, webhooks, Temporal and its queues, in all
    namespaces unless you name one. It exits with 1 if it finds a fault.
    """
    import asyncio
    from dataclasses import replace

    from worker.cli.doctor.examination import examine
    from worker.cli.exits import ExitCode
    from worker.cli.findings import show

    accounts = _accounts(account or ())
    target = choose(invocation, namespace, kubeconfig, context)
    found = asyncio.run(examine(target, accounts))
    findings = [replace(one, fix=target.pasted(one.fix)) for one in found]
    show(findings, output)
    if any(one.ok is False for one in findings):
        raise typer.Exit(ExitCode.FAILED)


def _accounts(given: Sequence[str]) -> dict[str, str]:
    accounts: dict[str, str] = {}
    for text in given:
        process, equals, name = text.partition("=")
        if process not in PROCESSES or not equals or not all(name.partition(":")):
            wanted = f"PROCESS=NAMESPACE:NAME is wanted, where PROCESS is one of {', '.join(PROCESSES)}"
            raise typer.BadParameter(f"`{text}`: {wanted}", param_hint="--account")
        accounts[process] = name
    return accounts
