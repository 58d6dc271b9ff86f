"""The OpenAPI document: FastAPI's own, and the schemas that it cannot know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from api.problems import Problem
from perdure.domain.changes import ChangeEventData
from perdure.domain.events import ExecutionEventData
from perdure.domain.flows import READ_ONLY_FIELDS, AgentflowCreate, ChatflowCreate
from perdure.domain.knowledge import KNOWLEDGE_BASE_READ_ONLY, KnowledgeBaseFields
from perdure.domain.teams import Agent

_REF = "#/components/schemas/{model}"
# Bodies in which any field may be left out: the model that the result must satisfy, and what is ignored when sent.
_PARTIAL: dict[str, tuple[type[BaseModel], frozenset[str]]] = {
    "AgentflowUpdate": (AgentflowCreate, READ_ONLY_FIELDS),
    "ChatflowUpdate": (ChatflowCreate, READ_ONLY_FIELDS),
    "AgentUpdate": (Agent, frozenset({"id"})),
    "KnowledgeBaseUpdate": (KnowledgeBaseFields, KNOWLEDGE_BASE_READ_ONLY),
}
# What `event_data` holds: an event's own schema leaves it open, since its type stands beside it and not in it.
_EVENT_DATA: dict[str, TypeAdapter[Any]] = {
    "ExecutionEventData": TypeAdapter(ExecutionEventData),
    "ChangeEventData": TypeAdapter(ChangeEventData),
}


def document(app: FastAPI) -> dict[str, Any]:
    """Build the document once and keep it."""
    if app.openapi_schema is None:
        app.openapi_schema = _build(app)
    return app.openapi_schema


def _build(app: FastAPI) -> dict[str, Any]:
    built = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
    )
    _, extra = models_json_schema(
        [(model, "validation") for model in (AgentflowCreate, ChatflowCreate, Agent, KnowledgeBaseFields, Problem)],
        ref_template=_REF,
    )
    schemas: dict[str, Any] = built["components"]["schemas"]
    definitions: dict[str, Any] = extra["$defs"]
    for name, adapter in _EVENT_DATA.items():
        schemas[name] = {"title": name, **adapter.json_schema(mode="serialization", ref_template=_REF)}
        definitions |= schemas[name].pop("$defs")
    for name, schema in definitions.items():
        schemas.setdefault(name, schema)
    for name, (model, ignored) in _PARTIAL.items():
        schemas[name] = _partial(name, definitions[model.__name__], ignored)
    schemas["AgentCreate"] = {**definitions[Agent.__name__], "title": "AgentCreate"}
    schemas["FlowUpdate"] = {
        "title": "FlowUpdate",
        "anyOf": [{"$ref": _REF.format(model=name)} for name in ("AgentflowUpdate", "ChatflowUpdate")],
    }
    # FastAPI documents a 422 of its own shape; ours is a problem like the others.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _drop_422_of_fastapi(built)
    _keep_references_alone(built)
    built["components"]["schemas"] = dict(sorted(schemas.items()))
    return built


def _partial(name: str, schema: dict[str, Any], ignored: frozenset[str]) -> dict[str, Any]:
    properties = {
        field: {key: value for key, value in of_field.items() if key != "default"}
        for field, of_field in schema["properties"].items()
    }
    properties |= {field: {"readOnly": True, "description": "Ignored when sent."} for field in sorted(ignored)}
    return {
        "title": name,
        "type": "object",
        "description": "Any of the fields; those left out stay.",
        "properties": properties,
        "additionalProperties": False,
    }


def _keep_references_alone(built: dict[str, Any]) -> None:
    """Undo FastAPI's merge of a schema that a route names with the one it found itself."""
    for operations in built["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "$ref" in content["schema"]:
                    content["schema"] = {"$ref": content["schema"]["$ref"]}


def _drop_422_of_fastapi(built: dict[str, Any]) -> None:
    for operations in built["paths"].values():
        for operation in operations.values():
            schema = operation["responses"].get("422", {}).get("content", {}).get("application/json")
            if schema is not None and "HTTPValidationError" in str(schema):
                del operation["responses"]["422"]
