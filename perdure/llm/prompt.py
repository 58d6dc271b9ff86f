"""What goes to a model, in the model layer's words: the conversation, the tools on offer, the answer's shape."""

from collections.abc import Mapping
from itertools import groupby

from pydantic_ai.messages import (
    INVALID_JSON_KEY,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition

from perdure.domain.generation import GenerationRequest, PromptMessage

_TEXT_ONLY = ModelRequestParameters()


def parameters(request: GenerationRequest, profile: Mapping[str, object]) -> ModelRequestParameters:
    """The tools and the schema of the answer, the latter enforced by the provider where the model can have that.

    Where it cannot, the schema is part of the instructions, and the answer may stray from it.

    Args:
        request: the call.
        profile: what the model layer knows of the model, a `ModelProfile`.
    """
    if not request.tools and request.output_schema is None:
        return _TEXT_ONLY
    tools = [
        ToolDefinition(name=tool.name, parameters_json_schema=tool.parameters, description=tool.description)
        for tool in request.tools
    ]
    if request.output_schema is None:
        return ModelRequestParameters(function_tools=tools)
    return ModelRequestParameters(
        function_tools=tools,
        output_mode="native" if _enforces_schemas(profile, with_tools=bool(tools)) else "prompted",
        output_object=OutputObjectDefinition(json_schema=request.output_schema),
    )


def _enforces_schemas(profile: Mapping[str, object], *, with_tools: bool) -> bool:
    if with_tools and not profile.get("google_supports_tool_combination", True):
        return False  # Gemini before 3 takes tools or a schema; the model layer refuses both at once
    return bool(profile.get("supports_json_schema_output", False))


def prompt(request: GenerationRequest) -> list[ModelMessage]:
    """The conversation; the system prompt goes with its first message, or before it where that is the assistant's."""
    waiting: list[ModelRequestPart] = []
    if request.system_prompt:
        waiting.append(SystemPromptPart(request.system_prompt))
    messages: list[ModelMessage] = []
    for role, group in groupby(request.messages, key=lambda message: message.role):
        if role == "assistant":
            if waiting:
                messages.append(ModelRequest(waiting))
            messages.extend(ModelResponse(_said(message)) for message in group)
        elif role == "tool":
            # Together, as the calls were: Anthropic and Google want a turn's results in one message.
            messages.append(ModelRequest([*waiting, *(_result(message) for message in group)]))
        else:
            for message in group:
                messages.append(ModelRequest([*waiting, UserPromptPart(message.content)]))
                waiting = []
        waiting = []
    return messages


def _said(message: PromptMessage) -> list[ModelResponsePart]:
    calls: list[ModelResponsePart] = [
        # What was no JSON object goes back inside one: protocols take nothing else.
        ToolCallPart(
            call.name, call.arguments if call.malformed is None else {INVALID_JSON_KEY: call.malformed}, call.id
        )
        for call in message.tool_calls
    ]
    return [TextPart(message.content), *calls] if message.content or not calls else calls


def _result(message: PromptMessage) -> ToolReturnPart:
    return ToolReturnPart(message.tool_name or "", message.content, message.tool_call_id or "")
