"""The connector: one HTTP client, and an operation for each method.

An answer from 200 to 299 is a result, every other one an error. Requests that change
something carry the key of the attempt as ``Idempotency-Key``, so that a service can tell a
repetition after a crash from a new request; a workflow that gives the header itself has its
own way, for instance ``headers: {"Idempotency-Key": id}`` to have one key for all attempts.

Nothing is kept from one request to the next but connections: cookies are refused, as one
connector serves all cases.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, final

import anyio
import httpx2

from knhk.call import current_call
from knhk.connect import Connector, operation
from knhk.errors import ArgumentError, ConnectorUnavailable, Misfit
from knhk_http.answer import (
    UnusableBody,
    headers_of,
    read_body,
    read_excerpt,
    retry_after_s,
    value_of,
)
from knhk_http.errors import (
    HttpBadAnswer,
    HttpError,
    HttpRedirected,
    HttpTimeout,
    HttpUnreachable,
    of_status,
)
from knhk_http.request import (
    IDEMPOTENCY_KEY,
    SAFE_METHODS,
    json_text,
    key_text,
    method_word,
    query_text,
    relative_path,
    request_headers,
)
from knhk_http.settings import HttpSettings

#: Redirects that are followed for one request.
REDIRECTS_MAX: Final = 5


@final
class Http(Connector[HttpSettings]):
    """A service reached by HTTP.

    Paths are relative to ``base_url``. ``params`` become the query, ``json`` or ``form`` the
    body. A result is the answer's body: parsed JSON, else text, ``none`` if it is empty.
    """

    Settings = HttpSettings

    def __init__(self, settings: HttpSettings) -> None:
        super().__init__(settings)
        self._base = httpx2.URL(settings.base_url.rstrip("/"))
        self._own_headers = settings.own_headers()
        self._client: httpx2.AsyncClient | None = None

    async def open(self) -> None:
        """Make the client; no connection is made before the first request."""
        connections = self.settings.connections_max
        self._client = httpx2.AsyncClient(
            headers={"User-Agent": "knhk-http", "Accept": "application/json, */*;q=0.5"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=None,  # one limit for the whole request is set around it
            follow_redirects=self.settings.follow_redirects,
            max_redirects=REDIRECTS_MAX,
            verify=self.settings.tls(),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections
            ),
            event_hooks={"request": [self._introduce]},
        )

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def health(self) -> bool:
        """Send a HEAD to ``base_url``: any answer but a server's error will do."""
        try:
            async with self._answer("HEAD", "", {}, None) as response:
                return response.status_code < 500
        except HttpError:
            return False

    @operation
    async def get(
        self,
        path: str = "",
        *,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> object:
        """Read something."""
        return await self._result("GET", path, params=params, headers=headers)

    @operation
    async def head(
        self,
        path: str = "",
        *,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, str]:
        """Ask for the headers only; they are the result, by names in small letters."""
        content, sent = _content(None, None, headers)
        async with self._answer("HEAD", _target(path, params), sent, content) as response:
            await self._require("HEAD", path, response, frozenset())
            return headers_of(response)

    @operation
    async def post(
        self,
        path: str = "",
        *,
        json: object = None,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        form: dict[str, object] | None = None,
    ) -> object:
        """Create something, or have something done."""
        return await self._result(
            "POST", path, json=json, params=params, headers=headers, form=form
        )

    @operation
    async def put(
        self,
        path: str = "",
        *,
        json: object = None,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        form: dict[str, object] | None = None,
    ) -> object:
        """Put something in a place."""
        return await self._result("PUT", path, json=json, params=params, headers=headers, form=form)

    @operation
    async def patch(
        self,
        path: str = "",
        *,
        json: object = None,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        form: dict[str, object] | None = None,
    ) -> object:
        """Change a part of something."""
        return await self._result(
            "PATCH", path, json=json, params=params, headers=headers, form=form
        )

    @operation
    async def delete(
        self,
        path: str = "",
        *,
        json: object = None,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> object:
        """Take something away."""
        return await self._result("DELETE", path, json=json, params=params, headers=headers)

    @operation
    async def request(
        self,
        method: str,
        path: str = "",
        *,
        json: object = None,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        form: dict[str, object] | None = None,
        accept: list[int] | None = None,
    ) -> object:
        """Send any method, and be told ``{status, headers, body}``.

        The statuses in ``accept`` are results too, as in ``accept: [404]``.
        """
        word = method_word(method)
        content, sent = _content(json, form, headers)
        async with self._answer(word, _target(path, params), sent, content) as response:
            await self._require(word, path, response, frozenset(accept or ()))
            return {
                "status": response.status_code,
                "headers": headers_of(response),
                "body": await self._value(word, path, response),
            }

    async def _result(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        form: dict[str, object] | None = None,
    ) -> object:
        content, sent = _content(json, form, headers)
        async with self._answer(method, _target(path, params), sent, content) as response:
            await self._require(method, path, response, frozenset())
            return await self._value(method, path, response)

    @asynccontextmanager
    async def _answer(
        self, method: str, target: str, headers: dict[str, str], content: str | None
    ) -> AsyncGenerator[httpx2.Response]:
        """An answer whose body is still to be read; all of it within the timeout."""
        if self._client is None:
            raise ConnectorUnavailable("the connector is not open")
        sent = httpx2.Headers(headers)
        if method not in SAFE_METHODS and IDEMPOTENCY_KEY not in sent:
            key = _attempt_key()
            if key:
                sent[IDEMPOTENCY_KEY] = key
        problem: HttpError
        try:
            with anyio.fail_after(self.settings.timeout.total_seconds()):
                async with self._client.stream(
                    method, f"{self._base}{target}", headers=sent, content=content
                ) as response:
                    yield response
                    return
        except TimeoutError:
            problem = self._timed_out(method, target)
        except httpx2.TooManyRedirects:
            problem = self._problem(
                HttpRedirected, method, target, f"was redirected more than {REDIRECTS_MAX} times"
            )
        except httpx2.DecodingError:
            problem = self._problem(
                HttpBadAnswer, method, target, "sent a body that cannot be decompressed"
            )
        except httpx2.TransportError as error:
            why = self.settings.redacted(str(error) or type(error).__name__)
            problem = self._problem(HttpUnreachable, method, target, f"got no answer: {why}")
            problem.retryable = True
        raise problem from None  # the client's errors hold the headers

    async def _require(
        self, method: str, path: str, response: httpx2.Response, accepted: frozenset[int]
    ) -> None:
        """Raise the error that the answer is, unless it is a result."""
        status = response.status_code
        if 200 <= status < 300 or status in accepted:
            return
        raise of_status(
            status,
            method=method,
            url=self._shown(path),
            body=self.settings.redacted(await read_excerpt(response)),
            retry_after_s=retry_after_s(response),
        )

    async def _value(self, method: str, path: str, response: httpx2.Response) -> object:
        try:
            return value_of(response, await read_body(response))
        except UnusableBody as error:
            why = f"cannot be used: {error}"
            problem = self._problem(HttpBadAnswer, method, path, why)
            problem.status = response.status_code
        raise problem

    async def _introduce(self, request: httpx2.Request) -> None:
        """Add the headers of the settings, but only where the request goes to the service."""
        for name, value in self._own_headers.items():
            if request.url.origin == self._base.origin:
                request.headers.setdefault(name, value)
            elif request.headers.get(name) == value:
                del request.headers[name]

    def _timed_out(self, method: str, target: str) -> HttpError:
        seconds = self.settings.timeout.total_seconds()
        why = f"gave no complete answer within {seconds:g} s"
        problem = self._problem(HttpTimeout, method, target, why)
        problem.retryable = True
        return problem

    def _problem(self, kind: type[HttpError], method: str, target: str, why: str) -> HttpError:
        url = self._shown(target)
        return kind(f"{method} {url} {why}", method=method, url=url)

    def _shown(self, target: str) -> str:
        """The URL as it may be shown: no query, no secret in the path."""
        return self.settings.redacted(f"{self._base}{_slashed(target.partition('?')[0])}")


def _target(path: str, params: dict[str, object] | None) -> str:
    """What is appended to the base URL."""
    query = query_text("params", params or {})
    return _slashed(relative_path(path)) + (f"?{query}" if query else "")


def _slashed(path: str) -> str:
    return path if not path or path.startswith("/") else f"/{path}"


def _content(
    json: object, form: dict[str, object] | None, headers: dict[str, str] | None
) -> tuple[str | None, dict[str, str]]:
    """The body and the headers that go with it; a ``json`` of none is no body."""
    sent = request_headers(headers or {})
    if json is not None and form is not None:
        raise ArgumentError([Misfit("form", "cannot be given beside json: choose one of them")])
    if form is not None:
        content, kind = query_text("form", form), "application/x-www-form-urlencoded"
    elif json is not None:
        content, kind = json_text(json), "application/json"
    else:
        return None, sent
    if not any(name.lower() == "content-type" for name in sent):
        sent["Content-Type"] = kind
    return content, sent


def _attempt_key() -> str:
    """The key of the attempt that is being made; empty outside of any."""
    try:
        return key_text(current_call().idempotency_key)
    except LookupError:
        return ""
