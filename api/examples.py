"""Examples of the API's documentation: the contract's bodies, and the answers to them."""

from typing import Any

AGENTFLOW_BODIES: dict[str, Any] = {
    "supervised": {
        "summary": "A supervised team",
        "value": {
            "name": "Customer Support Agent",
            "description": "Multi-agent customer support system",
            "orchestration_type": "hierarchical",
            "supervisor_config": {
                "enabled": True,
                "llm_provider": "openai",
                "llm_model": "gpt-4",
                "max_iterations": 10,
                "decision_strategy": "llm_based",
            },
            "tags": ["customer-support", "production"],
        },
    },
    "shortest": {
        "summary": "The shortest",
        "value": {"name": "New Agentflow", "orchestration_type": "sequential"},
    },
}

CHATFLOW_BODIES: dict[str, Any] = {
    "faq": {
        "summary": "Answers from a knowledge base",
        "value": {
            "name": "FAQ Assistant",
            "description": "Answers frequently asked questions",
            "chat_config": {
                "llm_provider": "openai",
                "llm_model": "gpt-3.5-turbo",
                "system_prompt": "You are a helpful FAQ assistant.",
                "temperature": 0.7,
                "max_tokens": 2000,
                "streaming": True,
            },
            "memory_config": {"type": "buffer", "max_messages": 10},
            "rag_config": {
                "enabled": True,
                "knowledgebase_ids": ["kb-123"],
                "retrieval_strategy": "hybrid",
                "top_k": 5,
            },
        },
    },
}

FLOW_CHANGES: dict[str, Any] = {"rename": {"value": {"name": "Support, second floor"}}}
AGENTFLOW_CHANGES: dict[str, Any] = {**FLOW_CHANGES, "order": {"value": {"orchestration_type": "parallel"}}}
CHATFLOW_CHANGES: dict[str, Any] = {
    **FLOW_CHANGES,
    "memory": {"value": {"memory_config": {"type": "buffer", "max_messages": 40}}},
}
AGENT: dict[str, Any] = {
    "name": "Researcher",
    "role": "Finds the facts",
    "system_prompt": "List the facts that matter, one a line.",
    "priority": 1,
}
AGENT_CHANGES: dict[str, Any] = {"timeout": {"value": {"timeout_seconds": 120, "max_retries": 5}}}

_KEPT: dict[str, Any] = {
    "id": "5f0c2f6e-0b1f-4a5e-9c3c-1d2a7c0f4b11",
    "user_id": 1,
    "graph_definition": None,
    "is_public": False,
    "is_active": True,
    "version": 1,
    "tags": [],
    "category": None,
    "created_at": "2026-11-22T09:00:00.000000Z",
    "updated_at": "2026-11-22T09:00:00.000000Z",
    "execution_count": 0,
    "last_execution_status": None,
    "last_execution_at": None,
}
AGENTFLOW: dict[str, Any] = {
    **_KEPT,
    "flow_type": "agentflow",
    **AGENTFLOW_BODIES["supervised"]["value"],
    "agents": [],
    "communication_protocol": None,
}
CHATFLOW: dict[str, Any] = {**_KEPT, "flow_type": "chatflow", **CHATFLOW_BODIES["faq"]["value"], "tools": []}
PLAN: dict[str, Any] = {
    "orchestration_type": "sequential",
    "dynamic": False,
    "stages": [
        {
            "stage": 1,
            "agents": [
                {"id": "researcher", "name": "Researcher", "role": "Finds", "priority": 1, "dependencies": []},
            ],
        },
    ],
}


def page(flow: dict[str, Any]) -> dict[str, Any]:
    """Show one page of a list."""
    return {"flows": [flow], "total": 1, "page": 1, "page_size": 20}
