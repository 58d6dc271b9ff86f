"""The connection to Temporal: one per process, with the converter that every process must share."""

from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter, ExternalStorage
from temporalio.service import RPCError

from perdure.domain.errors import SetupError
from perdure.settings import TemporalSettings
from perdure.storage.engine import Sessions
from perdure.temporal.payloads import THRESHOLD_BYTES, PostgresPayloads

TASK_QUEUE = "perdure"
"""Where runs wait for a worker."""


_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())


class SharedPayloadConverter(CompositePayloadConverter):
    """Pydantic's converters, the same ones in every instance.

    The SDK makes new instances for each run and each call, and a new pydantic converter starts with no type adapters:
    it would build those of our unions again and again.
    """

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


def make_data_converter(sessions: Sessions) -> DataConverter:
    """JSON by pydantic; what is over 64 KiB goes to PostgreSQL."""
    return DataConverter(
        payload_converter_class=SharedPayloadConverter,
        external_storage=ExternalStorage(drivers=[PostgresPayloads(sessions)], payload_size_threshold=THRESHOLD_BYTES),
    )


async def connect(settings: TemporalSettings, address: str, sessions: Sessions) -> Client:
    """Connect. Raises SetupError when nothing answers at the address."""
    try:
        return await Client.connect(address, namespace=settings.namespace, data_converter=make_data_converter(sessions))
    except (RuntimeError, RPCError) as error:
        msg = f"Temporal does not answer at {address}: start it, or set PERDURE_TEMPORAL__ADDRESS."
        raise SetupError(msg) from error
