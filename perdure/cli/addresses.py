"""Where the API is called from this machine."""

from perdure.embedded.data_folder import DataFolder
from perdure.embedded.ports import reachable
from perdure.settings import Settings


def api_address(settings: Settings) -> str | None:
    """Return the API's base URL without a slash at the end; None when its port is picked at its start."""
    running = DataFolder.at(settings.data_dir).running()
    if running and running.api_url:
        return running.api_url
    if settings.api.port == 0:
        return None
    return f"http://{reachable(settings.api.host)}:{settings.api.port}"
