"""The one place that names concrete parts: what a process of this product runs on, opened and closed together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from perdure.domain.generation import LOCAL_MODEL_NAME, ModelRef
from perdure.embedded.endpoints import Endpoints
from perdure.live import LiveReader
from perdure.llm import ModelServices, ProviderKeys
from perdure.settings import Settings
from perdure.storage.engine import Sessions, Single, make_engine, make_sessions
from perdure.temporal.client import connect
from perdure.temporal.history import Records
from perdure.temporal.namespace import ensure_search_attributes


@dataclass(frozen=True)
class Runtime:
    """What the API and the worker share: settings, where things are, the pool and the Temporal client."""

    settings: Settings
    endpoints: Endpoints
    engine: AsyncEngine
    sessions: Sessions
    """Transactions over the pool."""
    single: Single
    """Connections for what is one statement, a transaction by itself."""
    client: Client
    records: Records
    """What runs have done, by Temporal or, where it has forgotten them, by the archive."""
    live: LiveReader
    """What workers say between two recorded events; it connects when somebody listens."""
    llm: ModelServices
    """Models of flows, embeddings, and what puts found passages in order."""

    @property
    def default_model(self) -> ModelRef | None:
        """The model of flows that name none: the configured one, else the embedded one where it is served."""
        if self.settings.llm.default_model is not None:
            return ModelRef.parse(self.settings.llm.default_model)
        return ModelRef(provider="local", name=LOCAL_MODEL_NAME) if self.settings.llm.local_model else None


@asynccontextmanager
async def open_runtime(
    settings: Settings, endpoints: Endpoints, *, keys: ProviderKeys | None = None
) -> AsyncGenerator[Runtime]:
    """Connect to Temporal and make the pools; close them at the end. `keys`: None reads them from the environment.

    Raises SetupError when Temporal does not answer at the configured address, or its namespace lacks search attributes
    that may not be created.
    """
    keys = keys or ProviderKeys()
    pool_size = settings.database.pool_size
    engine = make_engine(endpoints.database_url, pool_size=pool_size)
    sessions = make_sessions(engine)
    single = Single(endpoints.database_url, pool_size=pool_size)
    try:
        client = await connect(settings.temporal, endpoints.temporal_address, sessions)
        await ensure_search_attributes(client)
        async with (
            LiveReader(endpoints.database_url) as live,
            ModelServices(keys, local_base_url=endpoints.local_model_url) as llm,
        ):
            yield Runtime(
                settings=settings,
                endpoints=endpoints,
                engine=engine,
                sessions=sessions,
                single=single,
                client=client,
                records=Records(client, single),
                live=live,
                llm=llm,
            )
    finally:
        await single.dispose()
        await engine.dispose()
