"""A request's headers, decoded once for all who ask for one."""

from collections.abc import Mapping

from starlette.types import Scope

_DECODED = "compress.headers"


def headers_of(scope: Scope) -> Mapping[str, str]:
    """By name in lower case; a repeated one is joined with commas (RFC 9110, 5.3): none is passed over."""
    found: dict[str, str] | None = scope.get(_DECODED)
    if found is None:
        found = scope[_DECODED] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found
