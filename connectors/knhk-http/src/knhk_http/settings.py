"""The settings of a connector instance, and the headers and TLS context they come to."""

from __future__ import annotations

import ssl
from base64 import b64encode
from datetime import timedelta
from typing import Annotated, Final

import httpx2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from knhk_http.request import header_problem

#: Connections that one connector keeps at once, unless its settings say otherwise.
CONNECTIONS_MAX: Final = 20
#: Shorter secrets are not looked for in texts: they would be found everywhere.
SECRET_LENGTH_MIN: Final = 4


def _unfit(why: str) -> PydanticCustomError:
    """Why a setting cannot be used, without pydantic's words before it."""
    return PydanticCustomError("http_setting", "{why}", {"why": why})


def _base_url(text: str) -> str:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise _unfit("must be a URL such as https://api.example.com/v1") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise _unfit("must be a URL such as https://api.example.com/v1")
    if url.userinfo:
        raise _unfit("must not hold a password; give username and password, or bearer")
    if url.query or url.fragment:
        raise _unfit("must end before `?` and `#`; operations take params")
    return text


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise _unfit("must be longer than 0s")
    return duration


class HttpSettings(BaseModel):
    """How a service is reached.

    ``base_url`` is what the paths of operations are appended to. ``timeout`` is for a whole
    request: getting a connection, sending, and reading the answer. ``headers`` go with every
    request to the service itself, and are treated as secrets. Either ``username`` and
    ``password`` (HTTP Basic) or ``bearer`` (a token) may be given. ``verify`` is false to
    take any certificate, or the path of a file with certificates to trust.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: Annotated[str, AfterValidator(_base_url)]
    timeout: Annotated[timedelta, AfterValidator(_positive)] = timedelta(seconds=10)
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    username: str | None = None
    password: SecretStr | None = None
    bearer: SecretStr | None = None
    verify: bool | str = True
    follow_redirects: bool = False
    connections_max: int = Field(default=CONNECTIONS_MAX, ge=1, le=1_000)

    @model_validator(mode="after")
    def _fit_together(self) -> HttpSettings:
        if (self.username is None) != (self.password is None):
            raise _unfit("username and password go together: give both or neither")
        if self.username is not None and ":" in self.username:
            raise _unfit("username must not hold a colon")
        if self.bearer is not None and self.username is not None:
            raise _unfit("give either bearer, or username and password")
        for name, value in self._headers().items():
            problem = header_problem(name, value)
            if problem:
                raise _unfit(f"header {name!r}: {problem}")
        return self

    def own_headers(self) -> httpx2.Headers:
        """The headers that go to the service and nowhere else."""
        return httpx2.Headers(self._headers())

    def redacted(self, text: str) -> str:
        """The text without any of the secrets, nor the form in which they are sent."""
        hidden = {value.get_secret_value() for value in self.headers.values()}
        hidden.add(self._credentials().partition(" ")[2])
        if self.password is not None:
            hidden.add(self.password.get_secret_value())
        for secret in sorted(hidden, key=len, reverse=True):
            if len(secret) >= SECRET_LENGTH_MIN:
                text = text.replace(secret, "***")
        return text

    def tls(self) -> ssl.SSLContext | bool:
        """What certificates are checked against."""
        if isinstance(self.verify, str):
            return ssl.create_default_context(cafile=self.verify)
        return self.verify

    def _headers(self) -> dict[str, str]:
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        credentials = self._credentials()
        if credentials:
            headers["Authorization"] = credentials
        return headers

    def _credentials(self) -> str:
        if self.bearer is not None:
            return f"Bearer {self.bearer.get_secret_value()}"
        if self.username is not None and self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}"
            return f"Basic {b64encode(pair.encode()).decode()}"
        return ""
