"""The rendered manifests, read; no helm is needed for them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from ruamel.yaml import YAML

from deploy.local.chart import EXAMPLES, MANIFESTS, ROOT

Document = dict[str, Any]
__all__ = ["EXAMPLES", "containers", "documents", "of_kind", "variables"]


@cache
def documents(example: str) -> tuple[Document, ...]:
    """Return the objects of one example."""
    return tuple(one for one in YAML(typ="safe").load_all(ROOT / MANIFESTS / f"{example}.yaml") if one)


def of_kind(example: str, *kinds: str) -> list[Document]:
    """Return the objects of some kinds."""
    return [one for one in documents(example) if one["kind"] in kinds]


def containers(example: str) -> Iterator[tuple[Document, Document]]:
    """Yield (pod specification, container) of our own processes."""
    for deployment in of_kind(example, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        yield from ((pod, one) for one in pod["containers"] if one["name"] == "pilotage")


def variables(container: Document) -> dict[str, str]:
    """Return the environment that a container names by value."""
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}
