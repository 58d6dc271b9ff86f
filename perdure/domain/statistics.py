"""What a user's runs of a period come to: how many, how they ended, how long they took, what they used."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field

from perdure.domain.errors import FieldProblem, UnprocessableError
from perdure.domain.flows import FlowType

DEFAULT_PERIOD = timedelta(days=30)
LONGEST_PERIOD = timedelta(days=366)


class _Part(BaseModel):
    # What has a default is in every answer all the same.
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class RunTotals(_Part):
    """Sums over runs by their start; a run that was reset counts once, as it ended last."""

    executions: int = 0
    running: int = Field(default=0, description="Of these, those that have not ended.")
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    duration_ms_p50: int | None = Field(
        default=None, description="Of completed runs, within 2 %; null where none completed."
    )
    duration_ms_p95: int | None = None
    llm_tokens: int = Field(default=0, description="Of runs that have ended.")
    cost_usd: float | None = Field(default=None, description="Of runs whose cost is known; null where none is.")
    unknown_cost: int = Field(default=0, description="Runs that have ended and whose cost is not known.")


class FlowTotals(RunTotals):
    """The runs of one flow, a deleted one too."""

    flow_id: UUID
    flow_name: str = Field(description="As the flow is called now.")
    flow_type: FlowType


class DayTotals(RunTotals):
    """The runs that were started on one day."""

    day: date


class ExecutionStatistics(_Part):
    """What a user's runs of a period come to, in all, by flow and by day."""

    since: datetime
    until: datetime = Field(description="The end of the period, which is not in it.")
    tz: str = Field(description="The IANA zone whose midnights part the days.")
    running_now: int = Field(description="Runs that have not ended, whenever they were started.")
    totals: RunTotals
    flow_count: int = Field(description="How many flows ran in the period.")
    by_flow: list[FlowTotals] = Field(description="The 100 flows with the most runs, the most first.")
    by_day: list[DayTotals] = Field(description="Every day of the period in order, those without runs too.")


@dataclass(frozen=True)
class Period:
    """From `since` to before `until`, cut into the days of a zone."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None, tz: str, *, now: datetime) -> "Period":
        """Fill in what was left out: up to now, 30 days.

        Raises UnprocessableError for a zone that there is not, and a period that is empty or above 366 days.
        """
        try:
            zone = ZoneInfo(tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise _invalid("tz", "There is no such time zone: send an IANA name such as Asia/Seoul.") from None
        # In UTC: aware times of one zone are subtracted by their clocks, which jump.
        end = (until or now).astimezone(UTC)
        start = since.astimezone(UTC) if since else end - min(DEFAULT_PERIOD, end - datetime.min.replace(tzinfo=UTC))
        if start >= end:
            raise _invalid("since", "The period is empty: since must be before until.")
        if end - start > LONGEST_PERIOD:
            raise _invalid("since", f"The period is too long: ask for {LONGEST_PERIOD.days} days at most.")
        return cls(start, end, zone)

    @property
    def days(self) -> list[date]:
        """Every day of which the period has a part."""
        first = self.since.astimezone(self.zone).date()
        last = (self.until - timedelta(microseconds=1)).astimezone(self.zone).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    @property
    def day_starts(self) -> list[datetime]:
        """When each of `days` begins, in UTC; in some zones and years that is not at midnight."""
        return [datetime.combine(day, time(), self.zone).astimezone(UTC) for day in self.days]


def _invalid(field: str, problem: str) -> UnprocessableError:
    return UnprocessableError(problem, errors=[FieldProblem(loc=["query", field], msg=problem)])
