"""`pilotage init` and `pilotage track`: begin with a repository, and with one pull request of it."""

from typing import Annotated

import typer

from worker.cli.options import ContextOption, KubeconfigOption, NamespaceOption, Output, OutputOption, choose

HostArgument = Annotated[
    str, typer.Argument(metavar="HOST", help="SCM host, by its name in resources, such as github or gitlab.")
]
RepositoryArgument = Annotated[
    str, typer.Argument(metavar="OWNER/NAME", help="Repository as the host names it; at GitLab with all groups.")
]


def init(
    invocation: typer.Context,
    host: HostArgument,
    repository: RepositoryArgument,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the GitRepository; the repository's name if not given.")
    ] = None,
    domain: Annotated[str, typer.Option("--domain", help="Address of the host, if it is not the public one.")] = "",
    organization: Annotated[str, typer.Option("--organization", help="Organization at Azure DevOps.")] = "",
    branch: Annotated[str, typer.Option("--branch", help="Branch that pull requests are merged into.")] = "main",
    environments: Annotated[
        list[str] | None,
        typer.Option("--environment", "-e", help="Environments in the order of promotion; the last one is final."),
    ] = None,
    argocd: Annotated[
        str, typer.Option("--argocd", metavar="URL", help="Address of Argo CD's API server.")
    ] = "https://argocd.example.com",
    project: Annotated[str, typer.Option("--project", help="Project of Argo CD.")] = "default",
    namespace: NamespaceOption = None,
) -> None:
    """Print the resources of a repository.

    Review and apply them. Pilotage only observes the repository until it has `mode: Act`.

    Use: pilotage -n shop init github acme/web -e dev -e staging -e prod > pilotage.yaml
    """
    from worker.cli.first_resources import KnownRepository, resources
    from worker.cli.output import document, note
    from worker.cli.yaml_text import to_yaml

    wanted = KnownRepository(
        host=host,
        repository=repository,
        name=name or "",
        domain=domain,
        organization=organization,
        branch=branch,
        environments=tuple(environments or ("dev", "staging", "prod")),
        argocd=argocd,
        project=project,
        namespace=choose(invocation, namespace, None, None).namespace or "",
    )
    made = resources(wanted)
    document("---\n".join(map(to_yaml, made)).rstrip())
    secrets = ", ".join(f"`{secret}`" for secret in wanted.secrets)
    note(f"Before you apply it: fix applications and addresses, and create the Secrets {secrets}")
    note('(docs/guides/scm-hosts.md lists their keys), each with the label pilotage.dev/credential: "true".')
    note("Pilotage tests, writes and promotes nothing until the GitRepository has `mode: Act`.")


def track(
    invocation: typer.Context,
    pull_request: Annotated[
        str, typer.Argument(metavar="NUMBER", help="The pull request: 412, #412, or web#412 with its GitRepository.")
    ],
    repository: Annotated[
        str | None, typer.Option("--repository", "-r", help="GitRepository; the only one if not given.")
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option("--environment", "-e", help="Where the change is deployed first; not needed if that is clear."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only ask the API server whether you may create the tracker.")
    ] = False,
    output: OutputOption = Output.TABLE,
    namespace: NamespaceOption = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Create the tracker of one pull request. It need not match `discovery`."""
    from crds.api.ports import Document
    from worker.cli.first_resources import make_tracker
    from worker.cli.naming import read_pull_request
    from worker.cli.output import documents, line
    from worker.cli.session import Session, name_of, with_session

    named, number = read_pull_request(pull_request)

    async def act(session: Session) -> Document:
        return await make_tracker(
            session, number, repository=repository or named, environment=environment, dry_run=dry_run
        )

    made = with_session(choose(invocation, namespace, kubeconfig, context), act)
    if output.for_people:
        done = "may be created (dry run)" if dry_run else "created"
        line(f"{name_of(made)}: {done}, starts in {made['spec']['environment']}")
    else:
        documents(made, output)
