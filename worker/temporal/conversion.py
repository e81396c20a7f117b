"""The data converter of all clients and workers of a process.

The SDK builds a payload converter for every workflow instance, and pydantic's keeps what it learned of each type.
Without sharing, every workflow would learn all wire types again and keep that: half a megabyte each, and most of
the time that a workflow task takes.
"""

from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

# It holds types alone, never values; its cache is bounded and safe to use from all workflow threads.
_JSON = PydanticJSONPlainPayloadConverter()


class SharedPayloadConverter(CompositePayloadConverter):
    """Pydantic's payload converter with what it knows of types shared by the whole process."""

    def __init__(self) -> None:
        """Put the shared converter in the place of the SDK's JSON converter."""
        known = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(_JSON if isinstance(one, JSONPlainPayloadConverter) else one for one in known))


DATA_CONVERTER = DataConverter(payload_converter_class=SharedPayloadConverter)
