"""Text that every part can keep."""

from pydantic import JsonValue

from perdure.domain.text import storable, storable_json


def test_what_no_database_keeps_is_taken_out_of_texts() -> None:
    assert storable("a\x00b\ud800c") == "ab?c"


def test_what_no_database_keeps_is_taken_out_wherever_it_stands() -> None:
    dirty: JsonValue = {"na\x00me": ["x\x00", {"deep": "\udfff"}, 1, 2.5, True, None]}
    assert storable_json(dirty) == {"name": ["x", {"deep": "?"}, 1, 2.5, True, None]}
