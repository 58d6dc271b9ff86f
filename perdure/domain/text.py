"""Text that every part can keep."""


def storable(text: str) -> str:
    """Take out what PostgreSQL cannot store in a text and JSON cannot carry: NUL, and halves of surrogate pairs.

    Models and providers send such things now and then; a run must not be stuck on one.
    """
    return text.replace("\x00", "").encode(errors="replace").decode()
