"""docs/teams.md: its examples are flows as they stand, one for each type it tells of."""

import re

from perdure.domain.flows import AgentflowCreate
from perdure.orchestration import STRATEGIES
from tests.support.product import CHECKOUT

PAGE = (CHECKOUT / "docs" / "teams.md").read_text()


def test_every_type_has_a_section_and_an_example_that_can_be_kept_and_run() -> None:
    examples = [AgentflowCreate.model_validate_json(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    types = [example.orchestration_type for example in examples]
    sections = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    # The first ones show theirs as calls of curl.
    assert types == sections[-len(types) :]
    assert {*sections, "sequential"} == set(STRATEGIES)
