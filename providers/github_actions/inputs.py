"""What a workflow takes as inputs, checked before it is sent (https://docs.github.com/en/rest/actions/workflows)."""

import json
import re
from collections.abc import Mapping

from providers.errors import ProviderRejected
from providers.github_actions.wire import KEY_INPUT

INPUTS_LIMIT = 25
# Enterprise Server up to 3.19, by the description of its own API.
_OLD_INPUTS_LIMIT = 10
_LAST_OLD_SERVER = (3, 19)
_CHARACTERS_LIMIT = 65_535
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})")


def inputs_limit(server: str) -> int:
    """Return how many inputs a host takes; `server` is the version of an Enterprise Server, empty where not known."""
    version = _VERSION.match(server)
    old = version is not None and (int(version[1]), int(version[2])) <= _LAST_OLD_SERVER
    return _OLD_INPUTS_LIMIT if old else INPUTS_LIMIT


def to_inputs(parameters: Mapping[str, str], key: str, *, server: str = "") -> Mapping[str, str]:
    """Add the key to the parameters. Raises ProviderRejected for more than the host takes, in number or length."""
    inputs = {**parameters, KEY_INPUT: key}
    limit = inputs_limit(server)
    if len(inputs) > limit:
        host = f"Enterprise Server {server}" if limit != INPUTS_LIMIT else "GitHub Actions"
        raise ProviderRejected(
            f"the test has {len(inputs) - 1} parameters; {host} takes {limit} inputs, of which `{KEY_INPUT}` is one, "
            f"so that {limit - 1} are left"
        )
    length = len(json.dumps(inputs, ensure_ascii=False, separators=(",", ":")))
    if length > _CHARACTERS_LIMIT:
        raise ProviderRejected(
            f"the test's parameters are {length} characters long as they are sent; GitHub Actions takes "
            f"{_CHARACTERS_LIMIT} for all inputs together"
        )
    return inputs
