"""What OpenAPI says about bodies. They are read by hand, for their limits, so their shapes are told here."""

from typing import Any

Schema = dict[str, Any]


def json_body(schema: Schema, example: object) -> Schema:
    """A route's `openapi_extra`: a body in JSON."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        }
    }


TEXT: Schema = {"type": "string", "description": "How long it may be, GET /info says."}


PAIR: Schema = {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}


def several(one: Schema, most: int | None = None) -> Schema:
    """At least one of them; how many a request may have at most, GET /info says."""
    array: Schema = {"type": "array", "items": one, "minItems": 1}
    return array if most is None else {**array, "maxItems": most}


def strict(required: list[str], **properties: Schema) -> Schema:
    """An object with these fields and no others."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def optional(schema: Schema, description: str) -> Schema:
    """It, or null."""
    return {"anyOf": [schema, {"type": "null"}], "description": description}


COUNT: Schema = {"type": "integer", "minimum": 1}
FLAG: Schema = {"type": "boolean"}
