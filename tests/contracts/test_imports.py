"""What takes seconds to import is imported by those who need it."""

import subprocess
import sys

import pytest

from tests.support.product import CHECKOUT

_SDKS = ("openai", "pydantic_ai", "anthropic", "google.genai", "wordllama", "markitdown")


@pytest.mark.parametrize("module", ["api.app", "perdure.bootstrap"])
def test_what_calls_no_model_starts_without_the_providers_sdks(module: str) -> None:
    program = f"import sys, {module}; print(*(name for name in {_SDKS} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
