"""Files of every kind become Markdown, or a sentence that says what to do."""

import io
import zipfile

import pytest
from pypdf import PdfWriter

from perdure.retrieval.formats import FileKind, UnreadableError, kind_of, to_markdown
from tests.support.files import docx, pdf


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("a.PDF", None, FileKind.PDF),
        ("a.md", "application/octet-stream", FileKind.MARKDOWN),
        ("notes", "text/plain; charset=utf-8", FileKind.TEXT),
        ("a.xlsx", "application/vnd.ms-excel", None),
        ("a", None, None),
    ],
)
def test_a_kind_is_told_by_name_then_by_type(name: str, media_type: str | None, kind: FileKind | None) -> None:
    assert kind_of(name, media_type) is kind


def test_a_pdf_becomes_text() -> None:
    assert "Ships float on water." in to_markdown(FileKind.PDF, pdf("Ships float on water."))


def test_a_docx_keeps_its_headings() -> None:
    assert to_markdown(FileKind.DOCX, docx("Ships", "They float.")) == "# Ships\n\nThey float."


def test_html_loses_what_is_not_its_text() -> None:
    page = (
        b"<html><head><title>T</title><style>p{}</style></head><body><nav>Menu</nav><main><h2>Ships</h2>"
        b"<p>They <b>float</b>, <a href='x'>mostly</a>.</p><script>x()</script><ul><li>one</li></ul></main></body>"
    )
    assert to_markdown(FileKind.HTML, page) == "# T\n\n## Ships\n\nThey **float**, mostly.\n\n* one"


def test_csv_rows_name_their_columns() -> None:
    data = b'name;price\nBoat;10\n;\nShip;"1\n000";new\n'
    assert to_markdown(FileKind.CSV, data) == "name: Boat\nprice: 10\n\nname: Ship\nprice: 1 000\ncolumn 3: new"


def test_json_leaves_name_their_paths() -> None:
    data = b'[{"ship": {"name": "Ada", "sails": [1, 2]}, "old": true}, {"ship": null, "x": "y"}]'
    assert to_markdown(FileKind.JSON, data) == "ship.name: Ada\nship.sails: 1\nship.sails: 2\nold: true\n\nx: y"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "shift_jis", "euc_jp"])
def test_text_is_read_in_the_encoding_that_it_has(encoding: str) -> None:
    text = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 3
    assert to_markdown(FileKind.TEXT, text.encode(encoding)) == text


def _encrypted() -> bytes:
    writer = PdfWriter(clone_from=io.BytesIO(pdf("Secret.")))
    writer.encrypt("word", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("x.txt", "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        (FileKind.TEXT, b" \n", "empty"),
        (FileKind.PDF, b"%PDF-1.7 nothing", "no readable PDF"),
        (FileKind.PDF, pdf("x" * 100)[:300], "no readable PDF"),
        (FileKind.PDF, pdf(""), "no text"),
        (FileKind.PDF, _encrypted(), "password"),
        (FileKind.DOCX, b"PK\x03\x04 broken", "no readable DOCX"),
        (FileKind.DOCX, _zip(), "no readable DOCX"),
        (FileKind.DOCX, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "password"),
        (FileKind.JSON, b"{", "no readable JSON"),
        (FileKind.HTML, b"<html><script>x</script></html>", "no text"),
    ],
)
def test_what_cannot_be_read_says_why(kind: FileKind, data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        to_markdown(kind, data)
