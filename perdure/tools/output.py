"""What a model is shown of an output."""


def cut(content: str, limit: int) -> str:
    """The first `limit` characters, with a note of how many are missing; the content itself where it is no longer."""
    missing = len(content) - limit
    if missing <= 0:
        return content
    return f"{content[:limit]}\n[{missing} more characters are left out here.]"
