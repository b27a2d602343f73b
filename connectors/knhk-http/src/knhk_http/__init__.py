"""The connector type ``http``: workflows call web services by name.

In a workflow::

    connector payments = http(base_url: env("PAYMENTS_URL"), bearer: secret("PAYMENTS_TOKEN"))

    task charge = payments.post("/charges", json: {order: id, amount: total})
"""

from __future__ import annotations

from knhk_http.answer import BODY_BYTES_MAX, ERROR_BODY_BYTES_MAX
from knhk_http.connector import Http
from knhk_http.errors import (
    HttpBadAnswer,
    HttpBadRequest,
    HttpClientError,
    HttpConflict,
    HttpError,
    HttpForbidden,
    HttpNotFound,
    HttpPaymentRequired,
    HttpRedirected,
    HttpServerError,
    HttpTimeout,
    HttpTooManyRequests,
    HttpUnauthorized,
    HttpUnprocessable,
    HttpUnreachable,
)
from knhk_http.settings import HttpSettings

__version__ = "0.1.0"

__all__ = [
    "BODY_BYTES_MAX",
    "ERROR_BODY_BYTES_MAX",
    "Http",
    "HttpBadAnswer",
    "HttpBadRequest",
    "HttpClientError",
    "HttpConflict",
    "HttpError",
    "HttpForbidden",
    "HttpNotFound",
    "HttpPaymentRequired",
    "HttpRedirected",
    "HttpServerError",
    "HttpSettings",
    "HttpTimeout",
    "HttpTooManyRequests",
    "HttpUnauthorized",
    "HttpUnprocessable",
    "HttpUnreachable",
    "__version__",
]
