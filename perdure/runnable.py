"""Whether a flow can be run as it is; asked by every door, and before a flow is run as a tool."""

from perdure.domain.errors import ConflictError
from perdure.domain.flows import Agentflow, Chatflow
from perdure.domain.tools import MOST_PASSAGES, BadToolError, parse_tools


def check_runnable(flow: Agentflow | Chatflow) -> None:
    """Raise ConflictError with what to change where the flow cannot be run."""
    if not flow.is_active:
        msg = "This flow is deactivated: set is_active to true to run it."
        raise ConflictError(msg)
    if isinstance(flow, Agentflow):
        for agent in flow.agents:
            try:
                parse_tools(agent.tools)
            except BadToolError as error:
                raise ConflictError(f"Agent '{agent.name}': {error}") from None
        return
    if flow.rag_config.enabled and flow.rag_config.top_k > MOST_PASSAGES:
        raise ConflictError(f"A chat is shown {MOST_PASSAGES} passages at most: lower rag_config.top_k.")
    try:
        parse_tools(flow.tools)
    except BadToolError as error:
        raise ConflictError(f"Chatflow '{flow.name}': {error}") from None
