"""What Kubernetes accepts as labels, annotations and label selectors. Pure.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re
from collections.abc import Mapping

from crds.fields import LabelSelector
from crds.rules.field_errors import FieldError

_MAX_PREFIX = 253
_MAX_SHOWN = 64
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DNS = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_WRITE = "write at most 63 letters, digits, `-`, `_` and `.`, a letter or digit first and last"
_KEY = f"is no key for Kubernetes: {_WRITE}; in front of it a DNS name and `/` if it has a prefix"
_VALUE = f"is no value of a label: {_WRITE}"


def label_errors(path: str, labels: Mapping[str, str]) -> list[FieldError]:
    """Find keys and values with which Kubernetes refuses an object."""
    errors = [_wrong_key(path, key) for key in labels if not _is_key(key)]
    return errors + [
        FieldError(path=f"{path}.{key[:_MAX_SHOWN]}", message=f"`{value}` {_VALUE}")
        for key, value in labels.items()
        if not _is_value(value)
    ]


def annotation_errors(path: str, annotations: Mapping[str, str]) -> list[FieldError]:
    """Find keys with which Kubernetes refuses an object; values may be any text."""
    # Kubernetes compares their prefixes without case.
    return [_wrong_key(path, key) for key in annotations if not _is_key(key.lower())]


def selector_errors(path: str, selector: LabelSelector) -> list[FieldError]:
    """Find keys and values that no label has: written into a query, they would select something else."""
    errors = label_errors(f"{path}.matchLabels", selector.match_labels)
    for index, requirement in enumerate(selector.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        if not _is_key(requirement.key):
            errors.append(FieldError(path=f"{at}.key", message=f"`{requirement.key[:_MAX_SHOWN]}` {_KEY}"))
        errors += [
            FieldError(path=f"{at}.values[{position}]", message=f"`{value}` {_VALUE}")
            for position, value in enumerate(requirement.values)
            if not _is_value(value)
        ]
    return errors


def _wrong_key(path: str, key: str) -> FieldError:
    return FieldError(path=f"{path}.{key[:_MAX_SHOWN]}", message=_KEY)


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > _MAX_PREFIX or _DNS.fullmatch(prefix) is None):
        return False
    return _NAME.fullmatch(name) is not None


def _is_value(value: str) -> bool:
    return not value or _NAME.fullmatch(value) is not None
