"""What a chat does before it answers is told once, in its order."""

from api.tool_frames import Sources, ToolFrames
from perdure.live import SourcesFound, StepStarted, ToolCalled, ToolReturned
from perdure.live.frames import decode, encode

CALLED = ToolCalled(node_id="assistant/1-search", name="search", arguments={"query": "ships"})
RETURNED = ToolReturned(node_id="assistant/1-search", name="search", is_error=False)


def test_a_call_and_its_return_are_told_once_each() -> None:
    frames = ToolFrames()
    told = [frames.take(frame) for frame in (CALLED, RETURNED, CALLED, RETURNED)]
    assert [(each.status, each.arguments, each.is_error) for each in told if each] == [
        ("called", {"query": "ships"}, None),
        ("returned", None, False),
    ]
    assert frames.take(StepStarted(node_id="assistant:2", attempt=1)) is None


def test_sources_add_up_and_a_search_that_is_told_again_counts_once() -> None:
    sources = Sources()
    first = SourcesFound(node_id="retrieval", sources=[{"chunk_index": 1}])
    assert sources.take(first)
    assert not sources.take(first)
    assert not sources.take(CALLED)
    assert sources.take(SourcesFound(node_id="assistant/1-search", sources=[{"chunk_index": 2}, "no source"]))
    assert sources.all == [{"chunk_index": 1}, {"chunk_index": 2}]


def test_arguments_that_a_model_made_up_pass_the_channel() -> None:
    wild = CALLED.model_copy(update={"arguments": {"half \ud800": "nul \x00 half \udfff", "large": 10**30}})
    passed = decode("tool_called", encode(wild))
    assert isinstance(passed, ToolCalled)
    assert passed.arguments == {"half ?": "nul  half ?", "large": float(10**30)}
