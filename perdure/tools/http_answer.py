"""An HTTP answer as the text that a model reads."""

import codecs
from http import HTTPStatus

import aiohttp
from pydantic import BaseModel, ConfigDict
from yarl import URL

from perdure.domain.tools import ToolOutput

_TEXTS = frozenset(
    {
        "application/json",
        "application/xml",
        "application/javascript",
        "application/x-www-form-urlencoded",
        "application/yaml",
        "application/x-ndjson",
        "application/graphql",
        "application/sql",
    }
)
_TEXT_ENDINGS = ("+json", "+xml", "+yaml")


class Answer(BaseModel):
    """What came back: its head, and what was read of its body."""

    model_config = ConfigDict(frozen=True)

    status: int
    reason: str
    url: str
    content_type: str
    charset: str | None
    body: bytes
    whole: bool
    size: int | None
    """Bytes that the server announced, None where it did not."""

    def output(self) -> ToolOutput:
        """Status line, content type and text, as the model is shown it."""
        head = f"HTTP {self.status} {self.reason}".rstrip()
        if self.content_type:
            head += f"\nContent-Type: {self.content_type}"
        text = _text(self)
        return ToolOutput(
            content=f"{head}\n\n{text}" if text else head,
            is_error=self.status >= HTTPStatus.BAD_REQUEST,
            data={
                "status": self.status,
                "url": self.url,
                "content_type": self.content_type,
                "bytes": len(self.body),
                "whole": self.whole,
            },
        )


async def read_answer(response: aiohttp.ClientResponse, *, limit: int) -> Answer:
    """Read at most `limit` bytes of the body, unpacked; the connection is closed where there is more."""
    pieces: list[bytes] = []
    left = limit
    whole = True
    async for piece in response.content.iter_any():
        pieces.append(piece[:left])
        left -= len(piece)
        if left < 0:
            whole = False
            response.close()
            break
    shown: URL = response.url.with_user(None)
    return Answer(
        status=response.status,
        reason=response.reason or "",
        url=str(shown),
        content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        charset=response.charset,
        body=b"".join(pieces),
        whole=whole,
        size=response.content_length,
    )


def _text(answer: Answer) -> str:
    if not answer.body:
        return ""
    if not _is_text(answer):
        size = f"{len(answer.body)} bytes" if answer.whole else f"more than {len(answer.body)} bytes"
        return f"[{size} of {answer.content_type or 'unknown type'}: not text, left out]"
    text = answer.body.decode(_known(answer.charset) or "utf-8", errors="replace")
    if answer.whole:
        return text
    of = f" of {answer.size}" if answer.size is not None and answer.size > len(answer.body) else ""
    return f"{text}\n[Only the first {len(answer.body)} bytes{of} were read.]"


def _is_text(answer: Answer) -> bool:
    kind = answer.content_type
    if kind.startswith("text/") or kind in _TEXTS or kind.endswith(_TEXT_ENDINGS):
        return True
    # Servers that do not know say octet-stream, or nothing.
    if kind not in {"", "application/octet-stream"} or b"\0" in answer.body:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(answer.body, final=answer.whole)
    except UnicodeDecodeError:
        return False
    return True


def _known(charset: str | None) -> str | None:
    try:
        return codecs.lookup(charset).name if charset else None
    except LookupError:
        return None
