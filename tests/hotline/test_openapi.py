import json
import re
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from agents.door import PAGE

pytestmark = [pytest.mark.unit, pytest.mark.parametrize("database_kind", ["sqlite"])]

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = await (await client.get("/api/openapi.json")).json()
    return found


async def test_every_route_is_described_and_nothing_else(
    app: web.Application, document: dict[str, Any]
) -> None:
    routed = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD" and not hasattr(route.handler, PAGE)
    }
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(method, path) for method, path in routed if not path.endswith(".xml")}


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    known = document["components"]["schemas"]
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert used == set(known)


async def test_only_status_is_open(document: dict[str, Any]) -> None:
    open_paths = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if operation.get("security") == []
    }
    assert open_paths == {"/status"}


async def test_names_and_refusals_of_each_operation_are_told(document: dict[str, Any]) -> None:
    operations = [o for item in document["paths"].values() for o in item.values()]
    names = [o["operationId"] for o in operations]
    assert len(set(names)) == len(names)
    change = document["paths"]["/api/v1/tickets/{id}"]["patch"]
    assert set(change["responses"]) == {
        *("200", "400", "401", "403", "404", "409", "413", "422", "503")
    }
    assert change["parameters"][0]["in"] == "path"
    report = document["paths"]["/api/v1/reports/service-level"]["get"]
    assert [p["name"] for p in report["parameters"]] == ["from", "to"]
    assert set(document["paths"]["/status"]["get"]["responses"]) == {"200", "422", "503"}
    assert "text/plain" in document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
