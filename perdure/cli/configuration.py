"""Reads the settings for the command line: what does not validate becomes one sentence that names the variable."""

from pydantic import ValidationError
from pydantic_settings import SettingsError

from perdure.domain.errors import SetupError
from perdure.embedded.data_folder import DataFolder
from perdure.settings import Settings


def load_settings() -> Settings:
    """Read the environment and `.env`.

    Raises:
        SetupError: a variable has a value that cannot be used.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        # A variable may hold a whole object: what lies deeper than section and setting is a place within it.
        setting, within = problem["loc"][:2], ".".join(str(part) for part in problem["loc"][2:])
        where = f"{within}: " if within else ""
        raise SetupError(f"{variable_name(setting)} cannot be used: {where}{problem['msg']}.") from error
    except SettingsError as error:
        raise SetupError(f"The settings cannot be read: {error}.") from error
    # One meaning for everybody: a relative folder counts from the directory the command was started in.
    return settings.model_copy(update={"data_dir": DataFolder.at(settings.data_dir).path})


def variable_name(location: tuple[int | str, ...]) -> str:
    """Name the environment variable of a field: `("api", "port")` is `PERDURE_API__PORT`."""
    return f"PERDURE_{'__'.join(str(part) for part in location).upper()}"
