"""The data converter of all clients and workers of a process.

The SDK builds a payload converter for every workflow instance, and pydantic's keeps what it learned of each type.
Without sharing, every workflow would learn all wire types again and keep that: half a megabyte each, and most of
the time that a workflow task takes.
"""

import os
from dataclasses import replace
from pathlib import Path

from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

from worker.temporal.encryption import AesGcmCodec, EncryptionMisconfigured, Keys

KEYS_VARIABLE, KEY_VARIABLE = "PILOTAGE_ENCRYPTION_KEYS", "PILOTAGE_ENCRYPTION_KEY"
# It holds types alone, never values; its cache is bounded and safe to use from all workflow threads.
_JSON = PydanticJSONPlainPayloadConverter()


class SharedPayloadConverter(CompositePayloadConverter):
    """Pydantic's payload converter with what it knows of types shared by the whole process."""

    def __init__(self) -> None:
        """Put the shared converter in the place of the SDK's JSON converter."""
        known = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(_JSON if isinstance(one, JSONPlainPayloadConverter) else one for one in known))


DATA_CONVERTER = DataConverter(payload_converter_class=SharedPayloadConverter)


def configured_converter() -> DataConverter:
    """Return the data converter of `PILOTAGE_ENCRYPTION_KEYS` and `PILOTAGE_ENCRYPTION_KEY`.

    Read from the environment, as the address of Temporal is: commands connect that need no other setting. Raises
    EncryptionMisconfigured, which names the variable.
    """
    directory, current = os.environ.get(KEYS_VARIABLE, ""), os.environ.get(KEY_VARIABLE, "")
    if not directory and not current:
        return DATA_CONVERTER
    if not directory or not current:
        raise EncryptionMisconfigured(f"{KEYS_VARIABLE} and {KEY_VARIABLE}: both are needed, or none")
    try:
        codec = AesGcmCodec(Keys(Path(directory), current))
    except EncryptionMisconfigured as error:
        raise EncryptionMisconfigured(f"{KEYS_VARIABLE}, {KEY_VARIABLE}: {error}") from None
    return replace(
        DATA_CONVERTER,
        payload_codec=codec,
        # Texts of failures stand outside of payloads otherwise.
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
