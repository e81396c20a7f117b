"""Write YAML that is read back as it was: by kubectl and `pilotage validate`, which read version 1.1, and by others."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver

from crds.texts.terminal import escaped, needs_quotes

TEXT = "tag:yaml.org,2002:str"
WIDTH = 140
# A line break to a reader of version 1.1 only.
NEXT_LINE = "\x85"


class _Representer(SafeRepresenter):
    """Quote also what only version 1.1 takes for something else: `yes`, `on`, `012`, `12:30:45`."""

    reader = VersionedResolver(version=(1, 1))

    def represent_str(self, data: str) -> ScalarNode:
        """Quote a text where it needs that."""
        read_as = self.reader.resolve(ScalarNode, data, (True, False))
        quoted = str(read_as) != TEXT or NEXT_LINE in data or needs_quotes(data)
        return self.represent_scalar(TEXT, data, style='"' if quoted else None)


_Representer.add_representer(str, _Representer.represent_str)


def to_yaml(value: Any) -> str:
    """Write one document."""
    yaml = YAML(typ="safe")
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = WIDTH
    yaml.representer.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    yaml.dump(value, stream)
    return escaped(stream.getvalue())
