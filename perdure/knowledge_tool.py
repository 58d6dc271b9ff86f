"""Knowledge bases as agents search them: the `knowledge_search` tool."""

from pydantic import JsonValue

from perdure.bootstrap import Runtime
from perdure.domain.errors import NotFoundError
from perdure.domain.flows import RetrievalStrategy
from perdure.domain.knowledge import Found, RetrievalSettings
from perdure.domain.tools import KnowledgeSearchTool, ToolContext, ToolOutput
from perdure.knowledge import search
from perdure.llm import ModelCallError
from perdure.tools import KnowledgeSearch, ToolCallError


def knowledge_search(runtime: Runtime) -> KnowledgeSearch:
    """What the toolbox carries out `knowledge_search` with: in the knowledge bases of the flow's owner."""

    async def find(tool: KnowledgeSearchTool, query: str, context: ToolContext) -> ToolOutput:
        settings = RetrievalSettings(
            retrieval_strategy=RetrievalStrategy(tool.retrieval_strategy),
            top_k=tool.top_k,
            score_threshold=tool.score_threshold,
            reranking_enabled=tool.reranking_enabled,
            reranking_model=tool.reranking_model,
        )
        try:
            found = await search(
                runtime,
                user_id=context.user_id,
                knowledgebase_ids=tool.knowledgebase_ids,
                query=query,
                settings=settings,
                model=context.model,
            )
        except NotFoundError as error:
            return ToolOutput(content=error.detail, is_error=True)
        except ModelCallError as error:
            failure = ToolCallError(error.detail, retryable=error.retryable)
        else:
            return _output(found, context.first_passage)
        raise failure

    return find


def _output(found: Found, first: int) -> ToolOutput:
    if not found.hits:
        return ToolOutput(content="Nothing was found.", data={"sources": []})
    numbered = list(enumerate(found.hits, first))
    passages = "\n\n".join(f"[{number}] {hit.document_name}\n{hit.content}" for number, hit in numbered)
    sources = [{"number": number, **hit.model_dump(mode="json", exclude={"content"})} for number, hit in numbered]
    return ToolOutput(content=passages, data={"sources": list[JsonValue](sources)}, model_use=found.reranking)
