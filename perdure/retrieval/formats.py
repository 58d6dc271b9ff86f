"""The kinds of files that knowledge bases take, and how each becomes Markdown."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import PurePath
from typing import cast

from pydantic import JsonValue

_HIDDEN = ("script", "style", "noscript", "template", "svg", "head")
_PAGE_WIDE = ("nav", "footer", "aside", "form")
_MOST_UNPACKED_BYTES = 500 * 1024 * 1024
_PASSWORD = "It is protected by a password: remove the protection and upload it again."  # noqa: S105 - a sentence
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"


class UnreadableError(Exception):
    """The file cannot be read; the message is a sentence for whoever uploaded it."""


class FileKind(StrEnum):
    """What a file is, by its media type."""

    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    HTML = "text/html"
    MARKDOWN = "text/markdown"
    TEXT = "text/plain"
    CSV = "text/csv"
    JSON = "application/json"


_BY_ENDING = {
    ".pdf": FileKind.PDF,
    ".docx": FileKind.DOCX,
    ".html": FileKind.HTML,
    ".htm": FileKind.HTML,
    ".xhtml": FileKind.HTML,
    ".md": FileKind.MARKDOWN,
    ".markdown": FileKind.MARKDOWN,
    ".txt": FileKind.TEXT,
    ".text": FileKind.TEXT,
    ".csv": FileKind.CSV,
    ".json": FileKind.JSON,
}


def kind_of(name: str, media_type: str | None) -> FileKind | None:
    """Tell a file's kind by its name, else by the media type it came with: browsers know few of them. None: another."""
    kind = _BY_ENDING.get(PurePath(name).suffix.lower())
    if kind is not None or media_type is None:
        return kind
    essence = media_type.partition(";")[0].strip().lower()
    return FileKind(essence) if essence in {member.value for member in FileKind} else None


def to_markdown(kind: FileKind, data: bytes) -> str:
    """Read a file. Raises UnreadableError."""
    if not data.strip():
        raise UnreadableError("The file is empty: upload one with text in it.")
    text = _READERS[kind](data).strip()
    if not text:
        raise UnreadableError(_WITHOUT_TEXT.get(kind, "There is no text in this file: upload one that has some."))
    return text


def _pdf(data: bytes) -> str:
    from pypdf import PdfReader  # noqa: PLC0415 - each file needs one of these libraries
    from pypdf.errors import DependencyError, FileNotDecryptedError, PdfReadError, PyPdfError  # noqa: PLC0415

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError(_PASSWORD)
        return "\n\n".join(page.extract_text() for page in reader.pages)
    except (FileNotDecryptedError, DependencyError) as error:
        raise UnreadableError(_PASSWORD) from error
    except (PdfReadError, PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        # Its own errors, and what a damaged file makes it run into.
        raise UnreadableError("This is no readable PDF: open it, save it anew and upload that.") from error


def _docx(data: bytes) -> str:
    import mammoth  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs] - it has no types

    if data.startswith(_OLD_OFFICE):
        # Word encrypts into its old container; an old .doc is one too.
        raise UnreadableError(
            "This is protected by a password, or a .doc of old: save it as .docx without one and upload it again."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if sum(member.file_size for member in package.infolist()) > _MOST_UNPACKED_BYTES:
                raise UnreadableError("This file unpacks to more than 500 MB: split it and upload its parts.")
        converted = mammoth.convert_to_html(  # pyright: ignore[reportUnknownMemberType] - see above
            io.BytesIO(data),
            convert_image=mammoth.images.img_element(lambda _image: {"src": ""}),  # pyright: ignore[reportUnknownMemberType, reportUnknownLambdaType] - see above
        )
        html = cast("str", converted.value)  # pyright: ignore[reportUnknownMemberType] - see above
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError, AttributeError) as error:
        # What a damaged package and damaged XML in it make the reader run into.
        raise UnreadableError("This is no readable DOCX: open it, save it anew and upload that.") from error
    return _html_to_markdown(html)


def _html(data: bytes) -> str:
    return _html_to_markdown(_decoded(data))


def _html_to_markdown(html: str) -> str:
    from bs4 import BeautifulSoup  # noqa: PLC0415 - as above
    from markdownify import ATX, MarkdownConverter  # noqa: PLC0415 - as above

    page = BeautifulSoup(html, "html.parser")
    title = page.title.get_text(strip=True) if page.title else ""
    for element in page.find_all(_HIDDEN):
        element.decompose()
    content = page.find("main") or page.find("article")
    if content is None:
        content = page
        for element in page.find_all(_PAGE_WIDE):
            element.decompose()
    markdown = MarkdownConverter(heading_style=ATX, strip=["img", "a"]).convert_soup(content)
    markdown = re.sub(r"\n{3,}", "\n\n", markdown).strip()
    return f"# {title}\n\n{markdown}" if title and markdown and not markdown.startswith("# ") else markdown


def _text(data: bytes) -> str:
    return _decoded(data)


def _csv(data: bytes) -> str:
    """Write each row as `column: value` lines, so that a chunk says what its values are."""
    text = _decoded(data)
    try:
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
    except csv.Error:
        dialect = "excel"
    csv.field_size_limit(len(text) + 1)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), dialect) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UnreadableError("This is no readable CSV: check its quotes and upload it again.") from error
    if len(rows) < 2:  # noqa: PLR2004 - names and at least one row
        return "\n".join(", ".join(row) for row in rows)
    names, *records = rows
    return "\n\n".join(_record(names, record) for record in records)


def _record(names: list[str], record: list[str]) -> str:
    titles = [*(name.strip() for name in names), *(f"column {place + 1}" for place in range(len(names), len(record)))]
    return "\n".join(
        f"{title}: {' '.join(cell.split())}" for title, cell in zip(titles, record, strict=False) if cell.strip()
    )


def _json(data: bytes) -> str:
    try:
        value: JsonValue = json.loads(_decoded(data))
    except (ValueError, RecursionError) as error:
        raise UnreadableError("This is no readable JSON: check its syntax and upload it again.") from error
    entries = value if isinstance(value, list) else [value]
    return "\n\n".join("\n".join(_lines(entry, "")) for entry in entries)


def _lines(value: JsonValue, path: str) -> Iterator[str]:
    """Write each leaf as `path: value`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(inner, path)
    elif value is not None:
        written = value if isinstance(value, str) else json.dumps(value)
        yield f"{path}: {written}" if path else written


def _decoded(data: bytes) -> str:
    """Decode a text: UTF-8 where it is that, else what its bytes most look like."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes  # noqa: PLC0415 - as above

        best = from_bytes(data).best()
    if best is None:
        raise UnreadableError("This is no text, whatever its name says: upload it under the ending that it has.")
    return str(best)


_WITHOUT_TEXT = {
    FileKind.PDF: "This PDF holds no text, only pictures: run character recognition over it and upload the result."
}
_READERS: Mapping[FileKind, Callable[[bytes], str]] = {
    FileKind.PDF: _pdf,
    FileKind.DOCX: _docx,
    FileKind.HTML: _html,
    FileKind.MARKDOWN: _text,
    FileKind.TEXT: _text,
    FileKind.CSV: _csv,
    FileKind.JSON: _json,
}
