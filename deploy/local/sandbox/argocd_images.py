"""Which images an application runs: base images, changed by what its sources declare."""

from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_KUSTOMIZATION = "kustomization.yaml"


def running_images(
    base: Sequence[str], sources: Sequence[Mapping[str, Any]], trees: Sequence[Mapping[str, str]], revision: str
) -> list[str]:
    """Apply each source's kustomization file, kustomize images and helm parameters to the base images.

    `trees` holds the files of each source's revision. A base image may contain `{revision}` or `{short}`.
    """
    images = [image.replace("{revision}", revision).replace("{short}", revision[:7]) for image in base]
    for source, tree in zip(sources, trees, strict=True):
        for entry in _kustomization_images(tree.get(f"{source.get('path', '')}/{_KUSTOMIZATION}".lstrip("/"))):
            images = _replaced(images, entry)
        for entry in (source.get("kustomize") or {}).get("images") or []:
            images = _replaced(images, entry)
        images = _with_helm(images, (source.get("helm") or {}).get("parameters") or [])
    return images


def image_name(image: str) -> str:
    """Strip tag and digest; a port in the registry's host stays."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _replaced(images: list[str], entry: str) -> list[str]:
    """Apply a kustomize override: `name:tag`, `name@digest`, `name=new`, `name=new:tag`."""
    name, equals, new = entry.partition("=")
    if not equals:
        name, new = image_name(entry), entry
    name = image_name(name)
    return [_with_kept_tag(image, new) if image_name(image) == name else image for image in images]


def _with_kept_tag(image: str, new: str) -> str:
    return new + image[len(image_name(image)) :] if image_name(new) == new else new


def _with_helm(images: list[str], parameters: Sequence[Mapping[str, Any]]) -> list[str]:
    """Apply `image.tag` and `image.repository`, or `<component>.image.tag` to the image ending in that component."""
    values = {str(parameter.get("name")): str(parameter.get("value", "")) for parameter in parameters}
    changed = list(images)
    for name, value in values.items():
        prefix, _, _ = name.rpartition("image.tag")
        if not name.endswith("image.tag"):
            continue
        component = prefix.rstrip(".")
        for index, image in enumerate(changed):
            if not component or image_name(image).rpartition("/")[2] == component:
                changed[index] = f"{values.get(f'{prefix}image.repository') or image_name(image)}:{value}"
                break
    return changed


def _kustomization_images(text: str | None) -> list[str]:
    if text is None:
        return []
    try:
        document = YAML(typ="safe").load(text)
    except YAMLError:
        return []
    found = []
    for entry in (document or {}).get("images") or []:
        new = str(entry.get("newName") or entry["name"])
        suffix = f"@{entry['digest']}" if entry.get("digest") else f":{entry['newTag']}" if entry.get("newTag") else ""
        found.append(f"{entry['name']}={new}{suffix}")
    return found
