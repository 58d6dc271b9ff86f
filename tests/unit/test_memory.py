"""What a chat remembers: never more than there is room for, never half a turn, the newest first."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.flows import MemoryConfig, MemoryType
from perdure.domain.generation import ModelRef, PromptMessage, ToolCall
from perdure.domain.memories import Past, PastTurn, RecalledTurn
from perdure.llm.windows import DEFAULT_WINDOW, context_window
from perdure.memory import MEMORIES, buffer, hybrid, summary, vector
from perdure.memory.budget import memory_budget
from perdure.memory.cutting import messages_of, newest, turns_of, without_tools
from perdure.memory.tokens import shortened, tokens_of, tokens_of_text

RUN = UUID(int=1)
ROOM = 100_000


def turn(number: int, question: str, answer: str, *, with_tool: bool = False) -> PastTurn:
    call = ToolCall(id="c", name="search", arguments={"query": question})
    between = (
        (
            PromptMessage(role="assistant", content="", tool_calls=(call,)),
            PromptMessage(role="tool", content="found", tool_call_id="c", tool_name="search"),
        )
        if with_tool
        else ()
    )
    said = (PromptMessage(role="user", content=question), *between, PromptMessage(role="assistant", content=answer))
    return PastTurn(execution_id=UUID(int=number), first=10 * number, last=10 * number + len(said) - 1, messages=said)


def talk(count: int) -> tuple[PastTurn, ...]:
    return tuple(turn(number, f"question {number}", f"answer {number}") for number in range(1, count + 1))


def contents(messages: Sequence[PromptMessage]) -> list[str]:
    return [message.content for message in messages]


texts = st.text(max_size=200)
turns = st.lists(st.tuples(texts, texts, st.booleans()), max_size=12).map(
    lambda said: tuple(
        turn(number, question, answer, with_tool=with_tool) for number, (question, answer, with_tool) in enumerate(said)
    )
)


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    stored = draw(turns)
    scores = draw(st.lists(st.floats(0, 1), min_size=len(stored), max_size=len(stored)))
    found = [RecalledTurn(turn=each, score=score) for each, score in zip(stored, scores, strict=True)]
    return Past(
        turns=stored,
        summary=draw(st.text(max_size=400)),
        folded=draw(st.integers(0, 120)),
        recalled=tuple(sorted(found, key=lambda each: -each.score)),
    )


@given(pasts(), st.sampled_from(MemoryType), st.integers(1, 30), st.integers(0, 400))
def test_no_memory_uses_more_than_its_budget_or_shows_half_a_turn(
    past: Past, kind: MemoryType, max_messages: int, budget: int
) -> None:
    config = MemoryConfig(type=kind, max_messages=max_messages)
    recalled = MEMORIES[kind](past, config, budget)
    assert recalled.use.used_tokens <= budget
    assert tokens_of(recalled.messages) <= budget
    whole = [shown.messages for each in past.turns for shown in (each, without_tools(each))]
    shown = turns_of((0, RUN, message) for message in recalled.messages)
    assert all(each.messages in whole for each in shown)
    assert sum(len(each.messages) for each in shown) == len(recalled.messages)
    results = {message.tool_call_id for message in recalled.messages if message.role == "tool"}
    assert results == {call.id for message in recalled.messages for call in message.tool_calls}


@given(turns, st.integers(1, 30), st.integers(0, 400))
def test_what_is_kept_is_the_end_of_the_conversation_and_the_next_turn_would_not_fit(
    said: tuple[PastTurn, ...], max_messages: int, budget: int
) -> None:
    kept = newest(said, max_messages=max_messages, budget=budget)
    end = said[len(said) - len(kept) :]
    assert all(shown in (turn, without_tools(turn)) for shown, turn in zip(kept, end, strict=True))
    if len(kept) < len(said):
        more = [without_tools(said[len(said) - len(kept) - 1]), *kept]
        assert len(messages_of(map(without_tools, more))) > max_messages or tokens_of(messages_of(more)) > budget


def test_a_turn_that_is_too_long_with_its_tools_is_shown_without_them() -> None:
    (long,) = said = (turn(1, "question", "answer", with_tool=True),)
    whole, spoken = tokens_of(long.messages), tokens_of(without_tools(long).messages)
    assert newest(said, max_messages=2, budget=whole) == [long]
    assert newest(said, max_messages=2, budget=whole - 1) == [without_tools(long)]
    assert newest(said, max_messages=2, budget=spoken - 1) == []


def test_a_summary_is_told_of_calls_and_of_the_beginning_of_their_results() -> None:
    said = turn(1, "question", "answer", with_tool=True)
    *before, result, answer = said.messages
    long = said.model_copy(update={"messages": (*before, result.model_copy(update={"content": "x" * 10_000}), answer)})
    text = summary.text_to_fold("", [long])
    assert 'assistant: [calls search with {"query": "question"}]' in text
    assert "tool search: xxx" in text
    assert len(text) < 5_000


@given(turns, st.integers(1, 40))
def test_a_fold_takes_the_older_turns_and_leaves_at_most_half_of_the_threshold(
    said: tuple[PastTurn, ...], threshold: int
) -> None:
    folded = summary.to_fold(said, MemoryConfig(summary_threshold=threshold))
    assert tuple(folded) == said[: len(folded)]
    assert len(messages_of(map(without_tools, said[len(folded) :]))) <= threshold // 2


@given(st.text(max_size=300), st.integers(0, 60))
def test_a_shortened_text_is_a_beginning_that_fits(text: str, budget: int) -> None:
    short = shortened(text, budget)
    assert text.startswith(short)
    assert tokens_of_text(short) <= budget


def test_tokens_are_a_quarter_of_latin_and_one_each_of_dense_characters() -> None:
    assert tokens_of_text("four") == 1
    assert tokens_of_text("fives") == 2
    assert tokens_of_text("대화를 기억") == 6
    assert tokens_of_text("会話の記憶") == 5


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (10, ["question 1", "answer 1", "question 2", "answer 2"]),
        (2, ["question 2", "answer 2"]),
        (3, ["question 2", "answer 2"]),
        (1, []),
    ],
)
def test_buffer_keeps_the_newest_whole_turns(limit: int, expected: list[str]) -> None:
    recalled = buffer.recall(Past(turns=talk(2)), MemoryConfig(max_messages=limit), ROOM)
    assert contents(recalled.messages) == expected


def test_summary_shows_what_is_not_folded_and_the_rest_in_short() -> None:
    past = Past(turns=talk(4), summary="They met.", folded=21)
    recalled = summary.recall(past, MemoryConfig(type=MemoryType.SUMMARY, max_messages=2), ROOM)
    assert contents(recalled.messages) == ["question 3", "answer 3", "question 4", "answer 4"]
    assert "They met." in recalled.notes
    assert recalled.use.summary_upto == 21


def test_vector_shows_the_last_two_turns_and_like_older_ones_in_the_order_they_were_said() -> None:
    said = talk(6)
    found = [RecalledTurn(turn=said[at], score=score) for at, score in ((2, 0.9), (5, 0.8), (0, 0.7), (1, 0.1))]
    config = MemoryConfig(type=MemoryType.VECTOR, vector_top_k=3, similarity_threshold=0.5)
    recalled = vector.recall(Past(turns=said, recalled=tuple(found)), config, ROOM)
    assert contents(recalled.messages) == ["question 5", "answer 5", "question 6", "answer 6"]
    assert recalled.notes.index("question 1") < recalled.notes.index("question 3")
    assert [(each.execution_id.int, each.score) for each in recalled.use.recalled] == [(1, 0.7), (3, 0.9)]


def test_hybrid_gives_each_part_its_weight() -> None:
    said = talk(40)
    past = Past(
        turns=said, summary="word " * 500, folded=21, recalled=tuple(RecalledTurn(turn=t, score=0.9) for t in said)
    )
    budget = 300
    config = MemoryConfig(type=MemoryType.HYBRID, buffer_weight=0.5, summary_weight=0.25, vector_weight=0.25)
    recalled = hybrid.recall(past, config, budget)
    assert recalled.use.summary_upto == 21
    assert recalled.use.recalled
    assert tokens_of(recalled.messages) >= 0.4 * budget
    no_summary = config.model_copy(update={"summary_weight": 0.0})
    assert hybrid.recall(past, no_summary, budget).use.summary_upto is None


def test_a_budget_is_what_prompt_and_answer_leave_of_the_window() -> None:
    assert memory_budget(1000, around="x" * 400, max_tokens=200) == 900 - 200 - 100
    assert memory_budget(1000, around="x" * 8000, max_tokens=200) == 0
    assert context_window(ModelRef(provider="openai", name="gpt-4o-mini")) == 128_000
    assert context_window(ModelRef(provider="openai", name="of my own")) == DEFAULT_WINDOW
