"""What pydantic found wrong, as sentences for the caller: where, and what to do, never what was sent."""

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from perdure.domain.errors import FieldProblem, UnprocessableError

_MOST_PROBLEMS = 100
_LONGEST_TEXT = 300

_SENTENCES = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field here: check how it is spelt.",
    # The only pattern that callers' fields have.
    "string_pattern_mismatch": "This must not be blank.",
}

_ENUM_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")
"""How pydantic writes a constant that is an enum's member: as Python does, where a caller knows the value alone."""


def field_problems(found: Iterable[ErrorDetails], *, under: Sequence[str] = ()) -> tuple[FieldProblem, ...]:
    """Translate pydantic's error details, the first 100 of them; `under` goes before each place."""
    return tuple(
        FieldProblem(
            loc=[*under, *(part if isinstance(part, int) else part[:_LONGEST_TEXT] for part in detail["loc"])],
            msg=_sentence(detail),
        )
        for detail in islice(found, _MOST_PROBLEMS)
    )


def _sentence(detail: ErrorDetails) -> str:
    known = _SENTENCES.get(detail["type"])
    if known is not None:
        return known
    sentence = _ENUM_MEMBER.sub(r"\1", detail["msg"].removeprefix("Value error, "))
    return sentence if len(sentence) <= _LONGEST_TEXT else f"{sentence[:_LONGEST_TEXT]}…"


def unprocessable(error: ValidationError) -> UnprocessableError:
    """Say of a caller's body what pydantic said of it."""
    return does_not_validate(field_problems(error.errors(include_url=False, include_input=False), under=("body",)))


def does_not_validate(problems: Sequence[FieldProblem]) -> UnprocessableError:
    """One sentence that names the first field, and all of them in `errors`."""
    if not problems:
        return UnprocessableError("What was sent does not validate.")
    first = problems[0]
    place = ".".join(str(part) for part in first.loc[1:]) or str(first.loc[0] if first.loc else "body")
    more = f" ({len(problems) - 1} more in errors)" if len(problems) > 1 else ""
    return UnprocessableError(f"{place}: {first.msg}{more}", errors=problems)


def one_line(error: ValidationError) -> str:
    """What is wrong, in one line, for a model that has to mend it."""
    found = field_problems(error.errors(include_url=False, include_input=False))
    return " ".join(f"{'.'.join(map(str, problem.loc)) or 'the object'}: {problem.msg}" for problem in found[:5])
