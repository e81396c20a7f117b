"""JSON in UTF-8 that readers of YAML take as well: Kubernetes reads the body of a server-side apply as YAML."""

import json
import re
from typing import Any

from crds.texts.plain import plain_values

# A YAML reader refuses these as they are, or folds the line where they stand; written as an escape it takes them.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def to_json(value: Any) -> bytes:
    """Write JSON-ready data; characters beyond ASCII stand as they are.

    The escape of a character beyond the first plane is a pair of surrogates, which is right in JSON, and an error to
    go-yaml, with which the API server reads an applied configuration.
    """
    text = json.dumps(plain_values(value), ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()
