"""The OpenAPI document as a whole."""

from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from novaproxy.http.wire import ENCODER
from novaproxy.openapi.operations import TAGS, paths
from novaproxy.openapi.parts import Part, headers, parameters, responses
from novaproxy.openapi.resources import resource_schemas
from novaproxy.openapi.wish import wish_schemas

INDEX = "index.html"
_PACKAGE = "novaproxy.openapi"


def page_files() -> list[Traversable]:
    """Return the files of the documentation page, INDEX and what it loads."""
    return sorted(files(_PACKAGE).joinpath("page").iterdir(), key=lambda file: file.name)


def description() -> Part:
    """Return the OpenAPI 3.1 document of the service."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NovaProxy API",
            "version": version("novaproxy"),
            "description": files(_PACKAGE).joinpath("introduction.md").read_text(encoding="utf-8"),
        },
        "servers": [{"url": "/", "description": "This shop"}],
        "tags": TAGS,
        "paths": paths([file.name for file in page_files() if file.name != INDEX]),
        "components": {
            "securitySchemes": _security_schemes(),
            "parameters": parameters(),
            "headers": headers(),
            "responses": responses(),
            "schemas": {**wish_schemas(), **resource_schemas()},
        },
    }


def encoded(document: Part) -> bytes:
    """Return *document* as JSON; amounts in its examples keep their digits."""
    return ENCODER.encode(document)


def _security_schemes() -> dict[str, Part]:
    return {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of your account, from the operator of the shop.",
        },
        "metricsToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "For the operator: the token that `NOVAPROXY_METRICS_TOKEN` sets.",
        },
    }
