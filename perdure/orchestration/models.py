"""Which model a step uses."""

from perdure.domain.flows import Agentflow, Chatflow
from perdure.domain.generation import ModelRef
from perdure.domain.teams import Agent


class NoModelError(ValueError):
    """The flow does not say enough to choose a model; the message says what to set."""


def model_of_agent(agent: Agent, flow: Agentflow, default: ModelRef | None) -> ModelRef:
    """The agent's own model, else the supervisor's, else the default."""
    supervisor = flow.supervisor_config
    return _first_named(
        (
            (f"Agent '{agent.name}'", agent.llm_provider, agent.llm_model),
            ("The supervisor", supervisor.llm_provider, supervisor.llm_model),
        ),
        default,
    )


def models_of_agent(agent: Agent, flow: Agentflow, default: ModelRef | None) -> list[ModelRef]:
    """The agent's model, and those that are asked in turn when it gives up."""
    return [model_of_agent(agent, flow, default), *map(ModelRef.parse, agent.fallback_models)]


def model_of_chat(flow: Chatflow, default: ModelRef | None) -> ModelRef:
    """The chat's own model, else the default."""
    config = flow.chat_config
    return _first_named((("The chat", config.llm_provider, config.llm_model),), default)


def _first_named(candidates: tuple[tuple[str, str | None, str | None], ...], default: ModelRef | None) -> ModelRef:
    for who, provider, name in candidates:
        if provider and name:
            return ModelRef(provider=provider, name=name)
        if provider or name:
            # Guessing the other half would run the flow on a model that nobody chose.
            missing, given = ("llm_provider", name) if name else ("llm_model", provider)
            msg = f"{who} names '{given}' but no {missing}: set both, or neither to use the default model."
            raise NoModelError(msg)
    if default is None:
        msg = "No model is named: set llm_provider and llm_model in the flow, or PERDURE_LLM__DEFAULT_MODEL."
        raise NoModelError(msg)
    return default
