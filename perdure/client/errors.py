"""What a call can end with instead of an answer."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.domain.errors import FieldProblem, PerdureError


class _Problem(BaseModel):
    """What is read of `application/problem+json`."""

    model_config = ConfigDict(extra="ignore")

    detail: str = "It gives no reason."
    errors: tuple[FieldProblem, ...] = ()


class ApiError(PerdureError):
    """The API refused. `answered` is the status, `detail` its sentence, `errors` the fields that do not validate."""

    def __init__(self, answered: int, problem: _Problem, retry_after: int | None) -> None:
        super().__init__(
            f"The API answered {answered}: {problem.detail}", errors=problem.errors, retry_after=retry_after
        )
        self.answered = answered

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], content: bytes) -> "ApiError":
        """Read a refusal."""
        try:
            problem = _Problem.model_validate_json(content)
        except ValidationError:
            # Somebody between the API and us.
            problem = _Problem()
        wait = headers.get("retry-after", "")
        return cls(status, problem, int(wait) if wait.isascii() and wait.isdigit() else None)


class UnreachableError(PerdureError):
    """The API did not answer."""
