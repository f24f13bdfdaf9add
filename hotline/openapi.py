"""The REST description, built from the same rows that route, check and parse (`schemas.http`)."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from schemas.errors import Forbidden, HotlineError, Invalid, Unauthorised, Unavailable
from schemas.http import Nothing, Operation
from schemas.http_errors import ErrorOut

AnyOperation = Operation[Any, Any]
Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"


def describe(operations: Iterable[AnyOperation], *, version: str) -> Schema:
    """Return the OpenAPI 3.1 document of *operations*."""
    rows = sorted(operations, key=lambda o: (o.path, o.method))
    paths: dict[str, Schema] = {}
    schemas: dict[str, Schema] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "12345 hotline",
            "version": version,
            "description": "Times are ISO 8601 with zone, durations seconds. "
            "Lists are newest first; a `Link` header with rel=next names the next page.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: AnyOperation, schemas: dict[str, Schema]) -> Schema:
    said: Schema = {
        "operationId": row.name,
        "summary": row.summary,
        "parameters": _parameters(row, schemas),
        "responses": _responses(row, schemas),
    }
    if row.open:
        said["security"] = []
    if row.body is not Nothing:
        content = {"application/json": {"schema": _of_model(row.body, "validation", schemas)}}
        said["requestBody"] = {"required": True, "content": content}
    return said


def _parameters(row: AnyOperation, schemas: dict[str, Schema]) -> list[Schema]:
    whole = row.query.model_json_schema(by_alias=True, ref_template=REFERENCE)
    schemas.update(whole.get("$defs", {}))
    required = set(whole.get("required", ()))
    parameters = []
    for name, schema in whole.get("properties", {}).items():
        in_path = name in row.in_path
        schema = _without_null(schema)
        parameter = {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or name in required,
            "schema": schema,
        }
        if "description" in schema:
            parameter["description"] = schema.pop("description")
        parameters.append(parameter)
    return parameters


def _without_null(schema: Schema) -> Schema:
    """Return *schema* as a query can say it: what is missing is left out, never null."""
    kept = {k: v for k, v in schema.items() if k not in ("title",) and (k, v) != ("default", None)}
    options = [o for o in kept.get("anyOf", ()) if o != {"type": "null"}]
    if len(options) == 1:
        del kept["anyOf"]
        kept = {**options[0], **kept}
    return kept


def _responses(row: AnyOperation, schemas: dict[str, Schema]) -> Schema:
    error = _of_model(ErrorOut, "serialization", schemas)
    refusals: dict[int, Schema] = {}
    kinds: tuple[type[HotlineError], ...] = (*row.errors, Invalid, Unavailable)
    refused = {kind.status for kind in kinds}
    if not row.open:
        refused |= {Unauthorised.status, Forbidden.status}
    if row.body is not Nothing:
        refused |= {400, 413}
    for status in refused:
        refusals[status] = _response(status, "application/json", error)
    for status, kind in {row.status: row.response, **row.also}.items():
        schema = None if kind is None else _of_type(kind, schemas)
        refusals[status] = _response(status, row.media, schema)
    return {str(status): refusals[status] for status in sorted(refusals)}


def _response(status: int, media: str, schema: Schema | None) -> Schema:
    said: Schema = {"description": HTTPStatus(status).phrase}
    if schema is not None:
        said["content"] = {media: {"schema": schema}}
    return said


def _of_model(model: type[BaseModel], mode: JsonSchemaMode, schemas: dict[str, Schema]) -> Schema:
    references, found = models_json_schema([(model, mode)], ref_template=REFERENCE)
    schemas.update(found.get("$defs", {}))
    return dict(references[model, mode])


def _of_type(kind: Any, schemas: dict[str, Schema]) -> Schema:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _of_model(kind, "serialization", schemas)
    schema = TypeAdapter(kind).json_schema(
        mode="serialization", ref_template=REFERENCE, schema_generator=GenerateJsonSchema
    )
    schemas.update(schema.pop("$defs", {}))
    return schema


def operations_of(routes: Iterable[Any], attribute: str) -> Mapping[str, AnyOperation]:
    """Return the operations among aiohttp's *routes*, by name.

    Raises:
        ValueError: two operations have the same name.
    """
    found: dict[str, AnyOperation] = {}
    for route in routes:
        operation = getattr(route.handler, attribute, None)
        if not isinstance(operation, Operation):
            continue
        if found.setdefault(operation.name, operation) is not operation:
            raise ValueError(f"two operations are called {operation.name}")
    return found
