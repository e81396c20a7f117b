"""The service accounts that our processes are in a chaos run: where they reach the API server, and by which tokens."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.local.environment.assembly import LocalEnvironment

PROCESSES = ("worker", "watcher")


def reroute(environment: LocalEnvironment, url: str) -> None:
    """Have our processes that start from now on reach the API server at another address, as who they are."""
    for path in _kubeconfigs(environment):
        settings = _read(path)
        settings["clusters"][0]["cluster"]["server"] = url
        YAML(typ="safe").dump(settings, path)


def tokens(environment: LocalEnvironment) -> Iterable[str]:
    """Yield the token of each account."""
    for path in _kubeconfigs(environment):
        yield str(_read(path)["users"][0]["user"]["token"])


def _kubeconfigs(environment: LocalEnvironment) -> Iterator[Path]:
    for process in PROCESSES:
        yield Path(environment.process_environment(process)["KUBECONFIG"])


def _read(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(path))
