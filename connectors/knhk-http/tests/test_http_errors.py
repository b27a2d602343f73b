"""What is raised when there is no result, and that it tells no secret."""

from __future__ import annotations

import gc
import gzip
import socket
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from http_loopback import Answer, Asked, Service
from test_http_requests import connected

from knhk.errors import ConnectorError, ConnectorUnavailable
from knhk_http import (
    BODY_BYTES_MAX,
    Http,
    HttpBadAnswer,
    HttpClientError,
    HttpError,
    HttpNotFound,
    HttpPaymentRequired,
    HttpRedirected,
    HttpServerError,
    HttpSettings,
    HttpTimeout,
    HttpTooManyRequests,
    HttpUnreachable,
)

# Where an answer is not read to its end, httpx2 leaves a generator of its own to the event loop
# (AsyncResponseStream does not close what it iterates); the connection itself is closed.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Async generator 'http.*garbage collected:ResourceWarning"),
]

SECRET = "s3cret-t0ken"
QUERY = "query-key"


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # while the warning above is expected


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (302, HttpRedirected, False),
        (304, HttpRedirected, False),
        (402, HttpPaymentRequired, False),
        (404, HttpNotFound, False),
        (408, HttpClientError, True),
        (418, HttpClientError, False),
        (429, HttpTooManyRequests, True),
        (500, HttpServerError, True),
        (501, HttpServerError, False),
        (503, HttpServerError, True),
        (599, HttpServerError, False),
    ],
)
async def test_a_status_that_is_no_success_is_an_error_of_its_name(
    service: Service, status: int, kind: type[HttpError], retryable: bool
) -> None:
    service.answers(status)

    async with connected(service) as http:
        with pytest.raises(ConnectorError) as caught:
            await http.get("/x")

    error = caught.value
    assert (kind, retryable) == (type(error), error.retryable)
    assert isinstance(error, HttpError)
    assert (status, "GET", f"{service.url}/x") == (error.status, error.method, error.url)


async def test_the_text_says_what_was_asked_and_answered(service: Service) -> None:
    service.answers(402, b'{"error":\n  "card declined"}')

    async with connected(service) as http:
        with pytest.raises(HttpClientError) as caught:
            await http.post("/charges", params={"trace": "1"}, json={})

    told = f'POST {service.url}/charges answered 402 Payment Required: {{"error": "card declined"}}'
    assert told == str(caught.value)


async def test_a_long_refusal_is_cut_short(service: Service) -> None:
    service.answers(500, b"x" * 100_000, kind="text/plain")

    async with connected(service) as http:
        with pytest.raises(HttpServerError) as caught:
            await http.get("/x")

    assert "x" * 500 + "..." == caught.value.body


@pytest.mark.parametrize(
    ("said", "expected"), [("7", 7.0), ("soon", None), ("-3", None), ("9" * 400, None)]
)
async def test_the_service_says_how_long_to_wait(
    service: Service, said: str, expected: float | None
) -> None:
    service.answers(429, Retry_After=said)

    async with connected(service) as http:
        with pytest.raises(HttpTooManyRequests) as caught:
            await http.get("/x")

    assert expected == caught.value.retry_after_s


async def test_the_service_says_until_when_to_wait(service: Service) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    service.answers(503, Retry_After=format_datetime(moment, usegmt=True))

    async with connected(service) as http:
        with pytest.raises(HttpServerError) as caught:
            await http.get("/x")

    assert caught.value.retry_after_s is not None
    assert 3500 < caught.value.retry_after_s <= 3600


async def test_a_service_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        gone = Service(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        async with connected(gone) as http:
            with pytest.raises(HttpUnreachable) as caught:
                await http.get("/x")
            healthy = await http.health()

    assert (True, False) == (caught.value.retryable, healthy)


async def test_a_connection_that_breaks_off_is_unreachable(service: Service) -> None:
    service.answer = lambda asked: None

    async with connected(service) as http:
        with pytest.raises(HttpUnreachable):
            await http.get("/x")


async def test_a_body_that_breaks_off_is_unreachable(service: Service) -> None:
    service.answer = lambda asked: Answer(
        body=b"half", headers={"Content-Length": "8", "Connection": "close"}
    )

    async with connected(service) as http:
        with pytest.raises(HttpUnreachable):
            await http.get("/x")


async def test_no_answer_in_time_is_a_timeout(service: Service) -> None:
    released = threading.Event()

    def answer(asked: Asked) -> None:
        released.wait(30)

    service.answer = answer
    try:
        async with connected(service, timeout="PT0.05S") as http:
            with pytest.raises(HttpTimeout) as caught:
                await http.post("/x")
    finally:
        released.set()

    told = f"POST {service.url}/x gave no complete answer within 0.05 s"
    assert (told, True) == (str(caught.value), caught.value.retryable)


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (b'{"a": ', "application/json", "says application/json and is not JSON"),
        (b"NaN", "application/json", "says application/json and is not JSON"),
        (b"[" * 100_000, "application/json", "says application/json and is not JSON"),
        (b"\x89PNG\xff", "image/png", "is neither JSON nor text (image/png)"),
        (b"x" * (BODY_BYTES_MAX + 1), "text/plain", f"is larger than {BODY_BYTES_MAX} bytes"),
    ],
    ids=["cut", "nan", "deep", "binary", "large"],
)
async def test_a_body_that_cannot_be_used_is_an_error(
    service: Service, body: bytes, kind: str, why: str
) -> None:
    service.answers(200, body, kind)

    async with connected(service) as http:
        with pytest.raises(HttpBadAnswer) as caught:
            await http.get("/x")

    assert why in str(caught.value)
    assert 200 == caught.value.status


async def test_a_compressed_body_is_bounded_by_what_it_becomes(service: Service) -> None:
    packed = gzip.compress(bytes(BODY_BYTES_MAX + 1))
    service.answers(200, packed, "text/plain", Content_Encoding="gzip")

    async with connected(service) as http:
        with pytest.raises(HttpBadAnswer, match="larger than"):
            await http.get("/x")


async def test_a_body_that_cannot_be_decompressed_is_an_error(service: Service) -> None:
    service.answers(200, b"not gzip", "text/plain", Content_Encoding="gzip")

    async with connected(service) as http:
        with pytest.raises(HttpBadAnswer, match="cannot be decompressed"):
            await http.get("/x")


async def test_a_circle_of_redirects_ends(service: Service) -> None:
    service.answers(302, Location="/x")

    async with connected(service, follow_redirects=True) as http:
        with pytest.raises(HttpRedirected, match="more than 5 times"):
            await http.get("/x")

    assert 6 == len(service.asked)


async def test_a_connector_that_is_not_open_says_so() -> None:
    http = Http(HttpSettings(base_url="http://127.0.0.1:9"))

    with pytest.raises(ConnectorUnavailable):
        await http.get("/x")


@pytest.mark.parametrize(
    "settings",
    [
        {"bearer": SECRET},
        {"username": "ada", "password": SECRET},
        {"headers": {"X-Key": SECRET}},
    ],
)
async def test_no_error_and_no_repr_tells_a_secret(
    service: Service, settings: dict[str, object]
) -> None:
    def answer(asked: Asked) -> Answer:  # a service that repeats what it was told
        return Answer(400, repr(asked.headers).encode(), {"Content-Type": "text/plain"})

    service.answer = answer

    async with connected(service, **settings) as http:
        with pytest.raises(HttpClientError) as caught:
            await http.post(f"/hooks/{SECRET}", params={"key": QUERY}, json={})

    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(http.settings)
    sent = service.asked[0].headers
    hidden = [SECRET, QUERY, sent.get("authorization", SECRET).partition(" ")[2] or SECRET]
    assert [] == [secret for secret in hidden if secret in shown]
    assert "***" in error.body
