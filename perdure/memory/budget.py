"""How many tokens of a prompt memory may use."""

from perdure.memory.tokens import tokens_of_text

MARGIN = 0.9
"""How much of a window is counted on: estimates may be wrong by the rest."""

ANSWER_SHARE = 0.25
LONGEST_ANSWER = 4096
"""What is kept free for an answer without `max_tokens`: a quarter of the window, at most so many tokens."""


def memory_budget(window: int, *, around: str, max_tokens: int | None) -> int:
    """Estimated tokens that are left beside what is in the prompt anyway (`around`) and the answer; never negative."""
    answer = max_tokens if max_tokens is not None else min(int(window * ANSWER_SHARE), LONGEST_ANSWER)
    return max(int(window * MARGIN) - answer - tokens_of_text(around), 0)
