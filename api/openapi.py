"""The OpenAPI document: FastAPI's own, and the schemas that it cannot know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.problems import Problem
from perdure.domain.flows import READ_ONLY_FIELDS, AgentflowCreate, ChatflowCreate
from perdure.domain.teams import Agent

_REF = "#/components/schemas/{model}"
# Bodies in which any field may be left out, and the models that the result must satisfy.
_PARTIAL: dict[str, tuple[type[BaseModel], ...]] = {
    "AgentflowUpdate": (AgentflowCreate,),
    "ChatflowUpdate": (ChatflowCreate,),
    "AgentUpdate": (Agent,),
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
        [(model, "validation") for model in (AgentflowCreate, ChatflowCreate, Agent, Problem)],
        ref_template=_REF,
    )
    schemas: dict[str, Any] = built["components"]["schemas"]
    definitions: dict[str, Any] = extra["$defs"]
    for name, schema in definitions.items():
        schemas.setdefault(name, schema)
    for name, models in _PARTIAL.items():
        schemas[name] = _partial(name, definitions[models[0].__name__])
    schemas["AgentCreate"] = {**definitions[Agent.__name__], "title": "AgentCreate"}
    schemas["FlowUpdate"] = {
        "title": "FlowUpdate",
        "anyOf": [{"$ref": _REF.format(model=name)} for name in ("AgentflowUpdate", "ChatflowUpdate")],
    }
    # FastAPI documents a 422 of its own shape; ours is a problem like the others.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _drop_422_of_fastapi(built)
    built["components"]["schemas"] = dict(sorted(schemas.items()))
    return built


def _partial(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    properties = {
        field: {key: value for key, value in of_field.items() if key != "default"}
        for field, of_field in schema["properties"].items()
    }
    description = f"Any of the fields; those left out stay. Ignored when sent: {', '.join(sorted(READ_ONLY_FIELDS))}."
    return {
        "title": name,
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 0,
    }


def _drop_422_of_fastapi(built: dict[str, Any]) -> None:
    for operations in built["paths"].values():
        for operation in operations.values():
            schema = operation["responses"].get("422", {}).get("content", {}).get("application/json")
            if schema is not None and "HTTPValidationError" in str(schema):
                del operation["responses"]["422"]
