"""Examples of the API's documentation: knowledge bases."""

from typing import Any

KNOWLEDGE_BASE_BODIES: dict[str, Any] = {
    "shortest": {"summary": "The shortest: the embedded model", "value": {"name": "Handbook"}},
    "openai": {
        "summary": "Embeddings by OpenAI",
        "value": {
            "name": "Handbook",
            "description": "What everyone asks in the first week",
            "embedding_model": "openai:text-embedding-3-small",
            "chunk_size": 800,
            "chunk_overlap": 100,
        },
    },
    "compatible": {
        "summary": "Embeddings by a compatible server",
        "value": {"name": "Handbook", "embedding_model": "openai:bge-m3", "embedding_dimension": 1024},
    },
}
KNOWLEDGE_BASE_CHANGES: dict[str, Any] = {
    "rename": {"value": {"name": "Handbook, second edition"}},
    "chunks": {"value": {"chunk_size": 600, "chunk_overlap": 80}},
    "model": {"summary": "Another embedding model", "value": {"embedding_model": "openai:text-embedding-3-small"}},
}
KNOWLEDGE_BASE: dict[str, Any] = {
    "id": "0c0f3f5a-52a3-4a37-8d9b-0a5be8b8c111",
    "user_id": 1,
    "name": "Handbook",
    "description": None,
    "embedding_model": "local:wordllama",
    "embedding_dimension": 256,
    "chunk_size": 400,
    "chunk_overlap": 50,
    "version": 3,
    "document_count": 1,
    "chunk_count": 12,
    "reindex": None,
    "created_at": "2026-11-22T09:00:00.000000Z",
    "updated_at": "2026-11-22T09:00:02.000000Z",
}
DOCUMENT: dict[str, Any] = {
    "id": "9f3f1c56-3b1c-4a0e-8a4f-6f3a0d1f7a22",
    "knowledgebase_id": KNOWLEDGE_BASE["id"],
    "name": "handbook.pdf",
    "media_type": "application/pdf",
    "size_bytes": 48213,
    "content_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "status": "ready",
    "error_message": None,
    "chunks_done": 12,
    "chunks_total": 12,
    "created_at": "2026-11-22T09:00:01.000000Z",
    "updated_at": "2026-11-22T09:00:02.000000Z",
}
SEARCH_BODIES: dict[str, Any] = {
    "shortest": {"value": {"query": "How many days of leave are there?"}},
    "hybrid": {
        "value": {
            "query": "유급 휴가는 며칠인가요?",
            "top_k": 3,
            "retrieval_strategy": "hybrid",
            "score_threshold": 0.4,
        }
    },
}
RESULTS: dict[str, Any] = {
    "results": [
        {
            "content": "Handbook > Leave\n\nEveryone has 25 days of paid leave a year.",
            "score": 0.71,
            "document_id": DOCUMENT["id"],
            "document_name": "handbook.pdf",
            "chunk_index": 4,
            "knowledgebase_id": KNOWLEDGE_BASE["id"],
            "knowledgebase_version": 3,
        }
    ]
}
