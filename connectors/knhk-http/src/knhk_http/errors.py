"""What can go wrong with a request, by names that a workflow can take up.

``on error HttpClientError`` takes up every answer from 400 to 499, ``on error HttpNotFound``
only one of them. No text and no attribute here holds a credential or a query.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from knhk.errors import ConnectorError

#: Answers after which the same request may succeed later.
RETRYABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class HttpError(ConnectorError):
    """A request that did not give a result.

    ``status`` is ``None`` where no answer came; ``body`` is the beginning of the answer's.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        url: str,
        status: int | None = None,
        body: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self.status = status
        self.body = body
        super().__init__(message, retryable=retryable, retry_after_s=retry_after_s)


class HttpUnreachable(HttpError):
    """No connection to the service, or one that broke before the answer was complete."""


class HttpTimeout(HttpError):
    """No complete answer within the connector's timeout; the request may have been carried out."""


class HttpBadAnswer(HttpError):
    """An answer that cannot be used: too large, not text, or not the JSON it says it is."""


class HttpRedirected(HttpError):
    """An answer that points elsewhere, where the connector does not follow."""


class HttpClientError(HttpError):
    """The service refuses the request: 400 to 499."""


class HttpBadRequest(HttpClientError):
    """400: the service cannot read the request."""


class HttpUnauthorized(HttpClientError):
    """401: credentials are missing or wrong."""


class HttpPaymentRequired(HttpClientError):
    """402: a payment was declined or is missing."""


class HttpForbidden(HttpClientError):
    """403: these credentials do not allow it."""


class HttpNotFound(HttpClientError):
    """404: there is nothing of that name."""


class HttpConflict(HttpClientError):
    """409: it does not go with the state in which things are."""


class HttpUnprocessable(HttpClientError):
    """422: the request was read and makes no sense."""


class HttpTooManyRequests(HttpClientError):
    """429: wait, for ``retry_after_s`` seconds if that is given."""


class HttpServerError(HttpError):
    """The service failed: 500 to 599."""


_BY_STATUS: Final[dict[int, type[HttpError]]] = {
    400: HttpBadRequest,
    401: HttpUnauthorized,
    402: HttpPaymentRequired,
    403: HttpForbidden,
    404: HttpNotFound,
    409: HttpConflict,
    422: HttpUnprocessable,
    429: HttpTooManyRequests,
}
_BY_HUNDRED: Final[dict[int, type[HttpError]]] = {
    3: HttpRedirected,
    4: HttpClientError,
    5: HttpServerError,
}


def of_status(
    status: int, *, method: str, url: str, body: str, retry_after_s: float | None
) -> HttpError:
    """The error that an answer other than 2xx is."""
    kind = _BY_STATUS.get(status) or _BY_HUNDRED.get(status // 100, HttpBadAnswer)
    message = f"{method} {url} answered {status}{_phrase(status)}"
    if kind is HttpRedirected:
        message += "; correct the connector's base_url, or set `follow_redirects: true`"
    elif body:
        message += f": {body}"
    return kind(
        message,
        method=method,
        url=url,
        status=status,
        body=body,
        retryable=status in RETRYABLE,
        retry_after_s=retry_after_s,
    )


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
