"""Workflow instances share what is known of wire types, and values pass as pydantic's own converter writes them."""

from datetime import timedelta

from temporalio.contrib.pydantic import PydanticPayloadConverter

from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from worker.temporal.conversion import DATA_CONVERTER, SharedPayloadConverter
from workflows.promotion.state import PromotionStart

START = PromotionStart(
    installation="test",
    tracker=TrackerRef(namespace="shop", name="web-412", uid="u1", attempt=1),
    spec=TrackerSpec(repository="web", number=412, environment="dev"),
    timings=Timings(),
)


def test_payloads_are_those_of_pydantics_converter() -> None:
    values = [START, None, b"bytes", {"every": timedelta(seconds=3)}]
    shared, original = SharedPayloadConverter(), PydanticPayloadConverter()
    assert shared.to_payloads(values) == original.to_payloads(values)
    assert shared.from_payloads(original.to_payloads([START]), [PromotionStart]) == [START]


def test_what_one_instance_learned_of_a_type_serves_all() -> None:
    payloads = SharedPayloadConverter().to_payloads([START])
    converter = DATA_CONVERTER.payload_converter_class()
    first, second = SharedPayloadConverter().converters, SharedPayloadConverter().converters
    assert isinstance(converter, SharedPayloadConverter)
    assert first[b"json/plain"] is second[b"json/plain"]
    assert converter.from_payloads(payloads, [PromotionStart]) == [START]
