"""The file that the TypeScript client's fold is held against says what today's code says."""

from tests.replay.record_states import RECORDED, recorded, text_of


async def test_the_recorded_states_are_today_s() -> None:
    assert RECORDED.read_text() == text_of(await recorded()), "run python -m tests.replay.record_states"
