"""What the models of a run are writing, as those who watch see it: by attempts, made whole at the end. No I/O."""

from pydantic import BaseModel, ConfigDict

from perdure.live import LiveFrame, StepStarted, Token


class Reset(BaseModel):
    """What was shown of a step is void: this attempt begins anew."""

    model_config = ConfigDict(frozen=True)

    node_id: str
    attempt: int


class Words:
    """The text of every step: that of its highest attempt."""

    def __init__(self) -> None:
        self._attempts: dict[str, int] = {}
        self._texts: dict[str, list[str]] = {}
        self.last: str | None = None
        """The step that began last."""

    def take(self, frame: LiveFrame) -> list[Reset | Token]:
        """What to show of the next frame: nothing of an attempt that was given up."""
        if not isinstance(frame, StepStarted | Token):
            return []
        step, attempt = frame.node_id, frame.attempt
        known = self._attempts.get(step, 0)
        if attempt < known:
            return []
        shown: list[Reset | Token] = []
        if attempt > known:
            self.last = step
            self._attempts[step], self._texts[step] = attempt, []
            if attempt > 1:
                shown.append(Reset(node_id=step, attempt=attempt))
        if isinstance(frame, Token):
            self._texts[step].append(frame.text)
            shown.append(frame)
        return shown

    def text(self, step: str) -> str:
        """What a step's highest attempt has written so far."""
        return "".join(self._texts.get(step, ()))

    def complete(self, step: str, answer: str, *, attempt: int, seen: bool) -> list[Reset | Token]:
        """What is missing of a step whose answer is recorded: all of it at once, where its pieces do not make it up.

        Args:
            step: the step.
            answer: its recorded answer.
            attempt: the attempt that gave it.
            seen: whether something of it may have been shown that is not known here.
        """
        if self.text(step) == answer:
            return []
        highest = max(attempt, self._attempts.get(step, 0))
        if not seen and not self.text(step):
            return [Token(node_id=step, attempt=highest, index=0, text=answer)]
        # Counted as another attempt, so that it replaces what was shown by the one rule there is.
        return [
            Reset(node_id=step, attempt=highest + 1),
            Token(node_id=step, attempt=highest + 1, index=0, text=answer),
        ]


class Speech:
    """A text that can only grow, made from one that may begin anew: what its hearer is still to be told.

    What begins as it did before is waited for; what parts from it is said whole, in a paragraph of its own.
    """

    def __init__(self) -> None:
        self._said: list[str] = []
        self._again: str | None = None
        """The text of a new attempt, as long as it repeats what was said."""

    def begin_anew(self) -> None:
        """The text begins from nothing again."""
        self._again = ""

    def add(self, piece: str) -> str:
        """What to say when the text has grown by a piece."""
        if self._again is None:
            self._said.append(piece)
            return piece
        self._again += piece
        if "".join(self._said).startswith(self._again):
            return ""
        text, self._again = self._again, None
        return self.finish(text)

    def finish(self, text: str) -> str:
        """What to say when this is the whole text."""
        said = "".join(self._said)
        self._said = [text]
        if text == said:
            return ""
        return text[len(said) :] if text.startswith(said) else f"\n\n{text}"
