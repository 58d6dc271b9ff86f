"""What a flow is: a discriminated union of agentflow and chatflow, and what callers send to make or change one.

Defaults are the contract's. Read-only fields that clients send back with a PUT are ignored; other unknown fields are
refused, so that a misspelt setting is never dropped in silence.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    field_validator,
    model_validator,
)

from perdure.domain.executions import ExecutionStatus
from perdure.domain.teams import Agent, MaxTokens, Prompt, Temperature, ToolReference, resolve_dependencies


class FlowType(StrEnum):
    """The two kinds of flow."""

    AGENTFLOW = "agentflow"
    CHATFLOW = "chatflow"


class OrchestrationType(StrEnum):
    """How a team works together. Which of them can run is said by `perdure.orchestration.STRATEGIES`."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"
    HIERARCHICAL = "hierarchical"
    ADAPTIVE = "adaptive"
    CONSENSUS_BUILDING = "consensus_building"
    REFLECTION = "reflection"
    DYNAMIC_ROUTING = "dynamic_routing"
    SWARM = "swarm"


class MemoryType(StrEnum):
    """What a chat remembers. Which of them can run is said by `perdure.memory.MEMORIES`."""

    BUFFER = "buffer"
    SUMMARY = "summary"
    VECTOR = "vector"
    HYBRID = "hybrid"


class ConcurrentTurns(StrEnum):
    """What becomes of a turn under way when the next message of its session comes."""

    QUEUE = "queue"
    REJECT = "reject"
    INTERRUPT = "interrupt"
    ROLLBACK = "rollback"

    @property
    def cuts_off(self) -> bool:
        """Whether a turn ends those ahead of it."""
        return self in {ConcurrentTurns.INTERRUPT, ConcurrentTurns.ROLLBACK}


class DecisionStrategy(StrEnum):
    """How a supervisor picks the next agent."""

    LLM_BASED = "llm_based"
    ROUND_ROBIN = "round_robin"
    PRIORITY = "priority"
    RULE_BASED = "rule_based"


class OnAgentFailure(StrEnum):
    """What a team does when one of its agents has given up."""

    FAIL = "fail"
    CONTINUE = "continue"
    ASK_SUPERVISOR = "ask_supervisor"


class RetrievalStrategy(StrEnum):
    """How chunks are found."""

    SIMILARITY = "similarity"
    MMR = "mmr"
    HYBRID = "hybrid"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Graph(_Part):
    """The shape that the visual editor's drawing must have. The drawing itself is kept as it came."""

    model_config = ConfigDict(frozen=True, extra="allow")

    nodes: list[dict[str, JsonValue]] = Field(default_factory=list[dict[str, JsonValue]])
    edges: list[dict[str, JsonValue]] = Field(default_factory=list[dict[str, JsonValue]])
    viewport: dict[str, JsonValue] | None = None


def _has_graph_shape(drawing: dict[str, JsonValue]) -> dict[str, JsonValue]:
    Graph.model_validate(drawing)
    return drawing


class Rule(_Part):
    """One rule of a `rule_based` supervisor: the first whose words stand in the task names the agent."""

    when: list[Annotated[str, Field(min_length=1, max_length=255)]] = Field(
        min_length=1, max_length=100, description="Any of these words, without regard to case."
    )
    agent: str = Field(min_length=1, max_length=255, description="Its id or its name.")


class OrchestrationConfig(_Part):
    """How far a strategy goes. Each setting says which of them it is for."""

    on_agent_failure: OnAgentFailure = Field(
        default=OnAgentFailure.FAIL, description="parallel, hierarchical: what an agent that gave up does."
    )
    max_parallel: int = Field(default=50, ge=1, le=200, description="parallel, hierarchical: agents at work at once.")
    max_rounds: int = Field(default=3, ge=1, le=20, description="consensus_building, reflection: rounds of critique.")
    max_handoffs: int = Field(default=10, ge=1, le=100, description="swarm: how often the work may change hands.")


class SupervisorConfig(_Part):
    """The supervisor of a team; its model is also that of agents which name none."""

    enabled: bool = False
    llm_provider: str | None = Field(default=None, max_length=100)
    llm_model: str | None = Field(default=None, max_length=255)
    max_iterations: int = Field(default=10, ge=1, le=1000)
    decision_strategy: DecisionStrategy = DecisionStrategy.LLM_BASED
    fallback_agent_id: str | None = Field(default=None, max_length=255)
    rules: list[Rule] = Field(
        default_factory=list[Rule], max_length=100, description="rule_based: tried before capabilities are matched."
    )


class ChatConfig(_Part):
    """The assistant's model and manners."""

    llm_provider: str | None = Field(default=None, max_length=100)
    llm_model: str | None = Field(default=None, max_length=255)
    system_prompt: Prompt | None = None
    temperature: Temperature | None = None
    max_tokens: MaxTokens | None = None
    streaming: bool = True
    welcome_message: str | None = Field(default=None, max_length=100_000)
    suggested_questions: list[str] = Field(default_factory=list[str], max_length=100)
    max_steps: int = Field(default=10, ge=1, le=100, description="Model calls that one answer with tools may take.")
    concurrent_turns: ConcurrentTurns = Field(
        default=ConcurrentTurns.QUEUE,
        description=(
            "A message while its session answers another: `queue` waits for that answer and sees it, `reject` is a 409,"
            " `interrupt` cuts that answer off and keeps what was said, `rollback` cuts it off and forgets the turn."
        ),
    )


class MemoryConfig(_Part):
    """What the assistant is reminded of. Weights and thresholds are for the types that name them."""

    type: MemoryType = MemoryType.BUFFER
    max_messages: int = Field(default=20, ge=1, le=10_000, description="Messages of earlier turns, newest kept.")
    summary_threshold: int = Field(
        default=20, ge=1, le=10_000, description="summary, hybrid: messages after which the older half folds."
    )
    vector_top_k: int = Field(default=5, ge=1, le=1000, description="vector, hybrid: older turns recalled at most.")
    similarity_threshold: float = Field(
        default=0.0, ge=0, le=1, description="vector, hybrid: cosine below which a turn is not recalled."
    )
    buffer_weight: float = Field(default=0.5, ge=0, le=1, description="hybrid: share of the newest turns.")
    summary_weight: float = Field(default=0.2, ge=0, le=1, description="hybrid: share of the summary.")
    vector_weight: float = Field(default=0.3, ge=0, le=1, description="hybrid: share of recalled turns.")


class RagConfig(_Part):
    """Which knowledge bases are asked, and how."""

    enabled: bool = False
    knowledgebase_ids: list[str] = Field(default_factory=list[str], max_length=100)
    retrieval_strategy: RetrievalStrategy = RetrievalStrategy.SIMILARITY
    top_k: int = Field(default=5, ge=1, le=1000)
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    reranking_enabled: bool = False
    reranking_model: str | None = Field(default=None, max_length=255)


READ_ONLY_FIELDS = frozenset(
    {
        "id",
        "user_id",
        "version",
        "created_at",
        "updated_at",
        "execution_count",
        "last_execution_status",
        "last_execution_at",
    }
)


class FlowFields(_Part):
    """What callers set on a flow of either kind."""

    name: str = Field(min_length=1, max_length=255, pattern=r"\S")
    description: str | None = Field(default=None, max_length=100_000)
    graph_definition: Annotated[dict[str, JsonValue], AfterValidator(_has_graph_shape)] | None = Field(
        default=None, description="`{nodes, edges, viewport}`, the visual editor's; returned as it came."
    )
    is_public: bool = False
    is_active: bool = True
    tags: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list[str], max_length=100)
    category: str | None = Field(default=None, max_length=255)

    @field_validator("tags")
    @classmethod
    def _once_each(cls, tags: list[str]) -> list[str]:
        return list(dict.fromkeys(tags))


class AgentflowFields(FlowFields):
    """What callers set on an agentflow."""

    flow_type: Literal[FlowType.AGENTFLOW] = FlowType.AGENTFLOW
    orchestration_type: OrchestrationType = OrchestrationType.SEQUENTIAL
    supervisor_config: SupervisorConfig = SupervisorConfig()
    orchestration_config: OrchestrationConfig = OrchestrationConfig()
    agents: list[Agent] = Field(default_factory=list[Agent], max_length=200)
    communication_protocol: JsonValue = None

    @model_validator(mode="after")
    def _team_holds_together(self) -> Self:
        resolve_dependencies(self.agents)
        return self


class ChatflowFields(FlowFields):
    """What callers set on a chatflow."""

    flow_type: Literal[FlowType.CHATFLOW] = FlowType.CHATFLOW
    chat_config: ChatConfig = ChatConfig()
    memory_config: MemoryConfig = MemoryConfig()
    rag_config: RagConfig = RagConfig()
    tools: list[ToolReference] = Field(default_factory=list[ToolReference], max_length=100)


class _Ignorant(_Part):
    """Drops the read-only fields of a flow that a client sends back."""

    @model_validator(mode="before")
    @classmethod
    def _drop_read_only(cls, data: object) -> object:
        if isinstance(data, dict):
            fields = cast("dict[str, object]", data)
            return {key: value for key, value in fields.items() if key not in READ_ONLY_FIELDS}
        return data


class AgentflowCreate(_Ignorant, AgentflowFields):
    """Body of `POST /agentflows`."""


class ChatflowCreate(_Ignorant, ChatflowFields):
    """Body of `POST /chatflows`."""


FlowCreate = AgentflowCreate | ChatflowCreate


class _Kept(_Part):
    id: UUID
    user_id: int
    version: int = Field(ge=1, description="One more at each change.")
    created_at: datetime
    updated_at: datetime


class _Used(_Part):
    execution_count: int = 0
    last_execution_status: ExecutionStatus | None = None
    last_execution_at: datetime | None = None


class Agentflow(_Kept, AgentflowFields):
    """A kept agentflow, as a run sees it: what it was at one version."""


class Chatflow(_Kept, ChatflowFields):
    """A kept chatflow, as a run sees it: what it was at one version."""


class AgentflowView(_Used, Agentflow):
    """A kept agentflow as the API shows it."""


class ChatflowView(_Used, Chatflow):
    """A kept chatflow as the API shows it."""


Flow = Annotated[Agentflow | Chatflow, Field(discriminator="flow_type")]
FlowView = Annotated[AgentflowView | ChatflowView, Field(discriminator="flow_type")]

flow_adapter: TypeAdapter[Agentflow | Chatflow] = TypeAdapter(Flow)
flow_view_adapter: TypeAdapter[AgentflowView | ChatflowView] = TypeAdapter(FlowView)
