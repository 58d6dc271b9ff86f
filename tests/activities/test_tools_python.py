"""`python`: what code in the sandbox may do, what it may not, and what stops it."""

from collections.abc import AsyncGenerator

import pytest

from perdure.domain.tools import PythonTool, ToolOutput
from perdure.settings import ToolSettings
from perdure.tools import Toolbox
from tests.support.tool_calls import CONTEXT, call


@pytest.fixture(scope="module")
async def toolbox() -> AsyncGenerator[Toolbox]:
    async with Toolbox(ToolSettings()) as toolbox:
        yield toolbox


async def run(toolbox: Toolbox, code: str, *, seconds: float = 10) -> ToolOutput:
    return await toolbox.call(PythonTool(timeout_seconds=seconds), call("python", code=code), CONTEXT)


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("print('one')\nprint('two')", "one\ntwo"),
        ("import math\nround(math.pi, 3)", "3.142"),
        ("print('sum')\n[1 + 1, {'a': None}]", 'sum\n[2,{"a":null}]'),
        ("'text'", "text"),
        ("x = 1", "[no output]"),
    ],
)
async def test_what_was_printed_and_the_last_value_come_back(toolbox: Toolbox, code: str, content: str) -> None:
    assert await run(toolbox, code) == ToolOutput(content=content)


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "from pathlib import Path\nPath('/tmp/written').write_text('x')",
        "import os\nos.listdir('/')",
        "import os\nos.environ['PATH']",
        "import os\nos.system('id')",
        "import socket",
        "import subprocess",
        "import urllib.request",
        "import ctypes",
        "__import__('os')",
        "().__class__.__base__.__subclasses__()",
    ],
)
async def test_there_is_no_way_out(toolbox: Toolbox, code: str) -> None:
    output = await run(toolbox, code)

    assert output.is_error
    assert "Error" in output.content


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("print('begun')\nwhile True: pass", "TimeoutError"),
        ("import time\ntime.sleep(60)", "TimeoutError"),
        ("[0] * 10**9", "MemoryError"),
        ("2 ** 10**10", "MemoryError"),
        ("while True: print('x' * 1000)", "Error"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = (", "SyntaxError"),
    ],
)
async def test_limits_and_errors_are_for_the_model(toolbox: Toolbox, code: str, what: str) -> None:
    output = await run(toolbox, code, seconds=0.5)

    assert output.is_error
    assert what in output.content


async def test_nothing_is_left_for_the_next_call(toolbox: Toolbox) -> None:
    await run(toolbox, "left = 1")

    assert "NameError" in (await run(toolbox, "left")).content
