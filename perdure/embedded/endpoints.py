"""Where the database, Temporal and the local model answer: settings first, then what runs in the data folder."""

from pydantic import BaseModel, ConfigDict

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder
from perdure.settings import Settings


class Endpoints(BaseModel):
    """The addresses that a process needs to work."""

    model_config = ConfigDict(frozen=True)

    database_url: str
    """`postgresql+asyncpg://...`; it may hold a password."""
    temporal_address: str
    """`HOST:PORT` of the gRPC front end."""
    temporal_ui_url: str | None = None
    """Temporal's Web UI, without a slash at the end; None where nobody said where it is."""
    local_model_url: str | None = None
    """`http://127.0.0.1:PORT/v1`; None where no local model is served."""


def resolve_endpoints(settings: Settings) -> Endpoints:
    """Say where everything answers: what the settings name, else what `up` or `services` runs in the data folder.

    Raises:
        SetupError: neither names a database or a Temporal server.
    """
    folder = DataFolder.at(settings.data_dir)
    database_url = configured_database_url(settings)
    temporal_address = settings.temporal.address
    running = folder.running()
    if running is None:
        if database_url is None or temporal_address is None:
            setting = "PERDURE_DATABASE__URL" if database_url is None else "PERDURE_TEMPORAL__ADDRESS"
            raise SetupError(
                f"{setting} is not set and nothing runs in the data folder {folder.path}: set it, or start the "
                "embedded services with `perdure services` (PERDURE_DATA_DIR says where)."
            )
        return Endpoints(
            database_url=database_url,
            temporal_address=temporal_address,
            temporal_ui_url=configured_ui_url(settings),
        )
    database_url = database_url or running.database_url
    if database_url is None:
        raise SetupError(
            "The running services use an external database: set PERDURE_DATABASE__URL as it is set for them."
        )
    is_ours = temporal_address in {None, running.temporal_address}
    ui_url = configured_ui_url(settings) or (running.temporal_ui_url if is_ours else None)
    temporal_address = temporal_address or running.temporal_address
    if temporal_address is None:
        raise SetupError(
            "The running services use an external Temporal: set PERDURE_TEMPORAL__ADDRESS as it is set for them."
        )
    return Endpoints(
        database_url=database_url,
        temporal_address=temporal_address,
        temporal_ui_url=ui_url,
        local_model_url=running.local_model_url,
    )


def configured_ui_url(settings: Settings) -> str | None:
    """Return `PERDURE_TEMPORAL__UI_URL` without a slash at its end; None when it is unset."""
    return settings.temporal.ui_url.rstrip("/") if settings.temporal.ui_url else None


def configured_database_url(settings: Settings) -> str | None:
    """Return `PERDURE_DATABASE__URL` in the form our driver takes; None when it is unset."""
    return None if settings.database.url is None else normalise_database_url(settings.database.url.get_secret_value())


def normalise_database_url(url: str) -> str:
    """Turn what providers hand out (`postgres://...?sslmode=require`) into `postgresql+asyncpg://...?ssl=require`.

    Raises:
        SetupError: it is no PostgreSQL address.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        # The value may hold a password, so it is not repeated.
        raise SetupError("PERDURE_DATABASE__URL is not a PostgreSQL address: it must start with postgresql://.")
    address, mark, query = rest.partition("?")
    # `sslmode` is libpq's name of the option; our driver calls it `ssl` and takes the same words.
    options = "&".join(
        f"ssl={option.removeprefix('sslmode=')}" if option.startswith("sslmode=") else option
        for option in query.split("&")
    )
    return f"postgresql+asyncpg://{address}{mark}{options}"
