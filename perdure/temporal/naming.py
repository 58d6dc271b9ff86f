"""What a run is called in Temporal: the type of its workflow, and what it can be found by. No I/O: workflows use it."""

from collections.abc import Sequence

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from perdure.domain.flows import FlowType
from perdure.domain.runs import RunInput

FLOW = SearchAttributeKey.for_keyword("PerdureFlow")
FLOW_NAME = SearchAttributeKey.for_keyword("PerdureFlowName")
KIND = SearchAttributeKey.for_keyword("PerdureKind")
USER = SearchAttributeKey.for_int("PerdureUser")
SESSION = SearchAttributeKey.for_keyword("PerdureSession")
TAGS = SearchAttributeKey.for_keyword_list("PerdureTags")
SEARCH_ATTRIBUTES = (FLOW, FLOW_NAME, KIND, USER, SESSION, TAGS)

WORKFLOW_TYPES = {FlowType.AGENTFLOW: "Agentflow", FlowType.CHATFLOW: "Chatflow"}
"""The workflow of each kind of flow."""

SUMMARY_WORKFLOW = "Summary"
"""The workflow that folds older turns of a session into its summary."""

PROGRESS = "progress"
"""The query that a run answers with how far it has come."""

PROCEED = "proceed"
"""The signal that tells a waiting turn to look whether it may begin."""


def run_attributes(run: RunInput) -> TypedSearchAttributes:
    """What a run can be found by in the Temporal Web UI."""
    pairs: list[SearchAttributePair[str] | SearchAttributePair[int] | SearchAttributePair[Sequence[str]]] = [
        SearchAttributePair(FLOW, str(run.flow.id)),
        SearchAttributePair(FLOW_NAME, run.flow.name),
        SearchAttributePair(KIND, run.flow.flow_type.value),
        SearchAttributePair(USER, run.user_id),
    ]
    if run.conversation is not None:
        pairs.append(SearchAttributePair(SESSION, run.conversation.session_id))
    if run.flow.tags:
        pairs.append(SearchAttributePair(TAGS, run.flow.tags))
    return TypedSearchAttributes(pairs)
