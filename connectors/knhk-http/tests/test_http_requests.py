"""What the operations send, and what they make of the answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal

import pytest
from http_loopback import Answer, Asked, Service

from knhk.call import CALL, Call
from knhk.errors import ArgumentError
from knhk_http import Http, HttpSettings

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connected(service: Service, path: str = "", **settings: object) -> AsyncIterator[Http]:
    values = {"base_url": service.url + path, **settings}
    http = Http(HttpSettings.model_validate(values))
    await http.open()
    try:
        yield http
    finally:
        await http.close()


async def test_get_gives_the_parsed_body(service: Service) -> None:
    service.answers(body=b'{"a": [1, 2.5, null]}')

    async with connected(service) as http:
        assert {"a": [1, 2.5, None]} == await http.get("/things")

    assert [("GET", "/things")] == [(each.method, each.path) for each in service.asked]


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"hello", "text/plain", "hello"),
        ("grün".encode("latin-1"), "text/plain; charset=iso-8859-1", "grün"),
        (b'{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
        (b'{"a": 1}', "text/html", '{"a": 1}'),
        (b"", "application/json", None),
    ],
)
async def test_a_body_is_json_where_it_says_so_and_text_elsewhere(
    service: Service, body: bytes, kind: str, expected: object
) -> None:
    service.answers(body=body, kind=kind)

    async with connected(service) as http:
        assert expected == await http.get()


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        ("", "", "/"),
        ("/", "things", "/things"),
        ("/v1", "/things", "/v1/things"),
        ("/v1/", "things/", "/v1/things/"),
        ("/v1", "/a b/ü%2F", "/v1/a%20b/%C3%BC%2F"),
    ],
)
async def test_paths_are_appended_to_the_base_url(
    service: Service, base: str, path: str, expected: str
) -> None:
    async with connected(service, base) as http:
        await http.get(path)

    assert expected == service.asked[0].path


@pytest.mark.parametrize(
    "path",
    [
        "http://elsewhere.example/x",
        "//elsewhere.example/x",
        "/../admin",
        "/a/%2e%2E/b",
        "/a%2f..%2fb",
        "/a\\..\\b",
        "/x?a=1",
        "/x#a",
    ],
)
async def test_a_path_never_leads_out_of_the_base_url(service: Service, path: str) -> None:
    async with connected(service, "/v1", bearer="t0ken") as http:
        with pytest.raises(ArgumentError, match=r"^path: must"):
            await http.get(path)

    assert [] == service.asked


async def test_params_become_the_query(service: Service) -> None:
    params = {"q": "a&b", "n": 3, "big": True, "none": None, "many": ["x", Decimal("1.50")]}

    async with connected(service) as http:
        await http.get("/search", params=params)

    assert "/search?q=a%26b&n=3&big=true&many=x&many=1.50" == service.asked[0].path


async def test_nested_params_are_refused(service: Service) -> None:
    async with connected(service) as http:
        with pytest.raises(ArgumentError, match=r"params\.q: must be a single value"):
            await http.get(params={"q": {"a": 1}})


async def test_json_is_sent_with_the_values_of_the_language_as_text(service: Service) -> None:
    value = {
        "amount": Decimal("19.90"),
        "day": date(2026, 11, 30),
        "wait": timedelta(seconds=90),
        "raw": b"\x00\xff",
        "name": "Zoë",
    }

    async with connected(service) as http:
        await http.post("/charges", json=value)

    asked = service.asked[0]
    assert "application/json" == asked.headers["content-type"]
    assert {
        "amount": "19.90",
        "day": "2026-11-30",
        "wait": "PT1M30S",
        "raw": "AP8=",
        "name": "Zoë",
    } == json.loads(asked.body)


@pytest.mark.parametrize("value", [float("nan"), object(), {"a": [object()]}])
async def test_what_has_no_form_in_json_is_refused(service: Service, value: object) -> None:
    async with connected(service) as http:
        with pytest.raises(ArgumentError, match="json: has no form in JSON"):
            await http.post("/x", json=value)


async def test_a_form_is_sent_as_one(service: Service) -> None:
    async with connected(service) as http:
        await http.put("/x", form={"a": "1 2", "b": ["x", "y"]})

    asked = service.asked[0]
    assert ("application/x-www-form-urlencoded", b"a=1+2&b=x&b=y") == (
        asked.headers["content-type"],
        asked.body,
    )


async def test_json_and_form_together_are_refused(service: Service) -> None:
    async with connected(service) as http:
        with pytest.raises(ArgumentError, match="form: cannot be given beside json"):
            await http.post("/x", json=1, form={"a": 1})


async def test_every_method_is_sent_as_such(service: Service) -> None:
    service.answers(204)

    async with connected(service) as http:
        results = [
            await http.get("/"),
            await http.post("/"),
            await http.put("/"),
            await http.patch("/"),
            await http.delete("/"),
        ]

    assert [None] * 5 == results
    assert ["GET", "POST", "PUT", "PATCH", "DELETE"] == [each.method for each in service.asked]


async def test_head_gives_the_headers(service: Service) -> None:
    service.answers(ETag='"1"', Set_Cookie="s=1")

    async with connected(service) as http:
        headers = await http.head("/x")

    assert ('"1"', False) == (headers["etag"], "set-cookie" in headers)


async def test_request_tells_status_headers_and_body(service: Service) -> None:
    service.answers(201, b'{"id": 7}', Location="/things/7")

    async with connected(service) as http:
        result = await http.request("purge", "/things")

    assert isinstance(result, dict)
    assert (201, {"id": 7}) == (result["status"], result["body"])
    assert "/things/7" == result["headers"]["location"]
    assert "PURGE" == service.asked[0].method


async def test_request_accepts_further_statuses(service: Service) -> None:
    service.answers(404, b'"gone"')

    async with connected(service) as http:
        result = await http.request("GET", "/x", accept=[404])

    assert isinstance(result, dict)
    assert (404, "gone") == (result["status"], result["body"])


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"X-A": "1\r\nX-B: 2"}, "headers.X-A"),
        ({"X A": "1"}, "headers.X A"),
        ({"host": "elsewhere.example"}, "headers.host"),
        ({"Content-Length": "0"}, "headers.Content-Length"),
    ],
)
async def test_headers_that_would_change_the_message_are_refused(
    service: Service, headers: dict[str, str], path: str
) -> None:
    async with connected(service) as http:
        with pytest.raises(ArgumentError) as caught:
            await http.get(headers=headers)

    assert [path] == [misfit.path for misfit in caught.value.misfits]


async def test_what_changes_something_carries_the_key_of_the_attempt(service: Service) -> None:
    token = CALL.set(Call(case="A 1/ü", workflow="order", task="charge", item=3, attempt=2))
    try:
        async with connected(service) as http:
            await http.get("/")
            await http.head("/")
            await http.post("/")
            await http.delete("/")
    finally:
        CALL.reset(token)

    key = "A 1/%C3%BC:3:2"
    keys = [each.headers.get("idempotency-key") for each in service.asked]
    assert [None, None, key, key] == keys


async def test_a_workflow_may_give_a_key_of_its_own(service: Service) -> None:
    token = CALL.set(Call(case="A1", workflow="order", task="charge", item=3, attempt=2))
    try:
        async with connected(service) as http:
            await http.post("/", headers={"idempotency-key": "order-7"})
    finally:
        CALL.reset(token)

    assert "order-7" == service.asked[0].headers["idempotency-key"]


async def test_outside_of_a_call_there_is_no_key(service: Service) -> None:
    async with connected(service) as http:
        await http.post("/")

    assert "idempotency-key" not in service.asked[0].headers


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"bearer": "t0ken"}, "Bearer t0ken"),
        ({"username": "ada", "password": "pw: 1"}, "Basic YWRhOnB3OiAx"),
        ({"headers": {"Authorization": "Key abc"}}, "Key abc"),
    ],
)
async def test_credentials_go_with_every_request(
    service: Service, settings: dict[str, object], expected: str
) -> None:
    async with connected(service, **settings) as http:
        await http.get("/")

    assert expected == service.asked[0].headers["authorization"]


async def test_cookies_of_one_case_do_not_reach_another(service: Service) -> None:
    service.answers(Set_Cookie="session=1; Path=/")

    async with connected(service) as http:
        await http.get("/")
        await http.get("/")

    assert ["cookie" in each.headers for each in service.asked] == [False, False]


async def test_a_redirect_is_followed_where_that_is_set(service: Service) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path == "/old":
            return Answer(307, headers={"Location": "/new"})
        return Answer(body=b'"here"', headers={"Content-Type": "application/json"})

    service.answer = answer

    async with connected(service, follow_redirects=True, bearer="t0ken") as http:
        assert "here" == await http.get("/old")

    assert ["Bearer t0ken"] * 2 == [each.headers["authorization"] for each in service.asked]


async def test_a_redirect_elsewhere_is_not_given_the_secrets(service: Service) -> None:
    other = service.url.replace("127.0.0.1", "localhost")

    def answer(asked: Asked) -> Answer:
        if asked.headers["host"].startswith("localhost"):
            return Answer()
        return Answer(302, headers={"Location": f"{other}/x"})

    service.answer = answer
    secrets = {"bearer": "t0ken", "headers": {"X-Key": "k3y-k3y"}}

    async with connected(service, follow_redirects=True, **secrets) as http:
        await http.get("/")

    seen = [("authorization" in each.headers, "x-key" in each.headers) for each in service.asked]
    assert [(True, True), (False, False)] == seen


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (404, True), (503, False)])
async def test_any_answer_but_a_servers_error_is_healthy(
    service: Service, status: int, healthy: bool
) -> None:
    service.answers(status)

    async with connected(service) as http:
        assert healthy == await http.health()

    assert "HEAD" == service.asked[0].method
