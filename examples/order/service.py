"""A payments service on this machine, for the example: ``python service.py [PORT]``.

``POST /charges`` with ``{"order": ..., "amount": ...}`` charges a card, once for each
``Idempotency-Key``. It has its moods: the first request of each charge gets a 503, so that
retries are to be seen, and what goes over the limit of the card is declined with a 402.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Final

HOST: Final = "127.0.0.1"
PORT: Final = 8402
#: What the card is good for.
LIMIT: Final = Decimal(5000)
#: Bytes of a request; a charge needs few.
REQUEST_BYTES_MAX: Final = 10_000


class Charges:
    """The charges that were asked for, and how each was answered, by their keys."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._asked: set[str] = set()
        self._answers: dict[str, tuple[int, dict[str, str]]] = {}

    def charge(self, key: str, order: str, amount: Decimal) -> tuple[int, dict[str, str]]:
        """Charge the card, and give status and body of the answer."""
        with self._turn:
            if key not in self._asked:
                self._asked.add(key)
                return 503, {"error": "the bank is having a coffee, try again"}
            if key not in self._answers:
                self._answers[key] = self._decide(order, amount)
            return self._answers[key]

    def _decide(self, order: str, amount: Decimal) -> tuple[int, dict[str, str]]:
        if amount > LIMIT:
            return 402, {"error": f"{amount} is over the limit of the card, {LIMIT}"}
        number = f"C{len(self._answers) + 1:04}"
        return 201, {"charge": number, "order": order, "amount": str(amount)}


class Handler(BaseHTTPRequestHandler):
    """Reads requests, answers with JSON."""

    protocol_version = "HTTP/1.1"
    charges: Charges

    def do_POST(self) -> None:
        """Answer a request for a charge."""
        status, body = self._answer()
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self) -> tuple[int, dict[str, str]]:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > REQUEST_BYTES_MAX:
            self.close_connection = True
            return 413, {"error": "that is more than a charge"}
        data = self.rfile.read(int(length))
        if self.path != "/charges":
            return 404, {"error": f"there is no {self.path}, only /charges"}
        try:
            asked = json.loads(data)
            order, amount = str(asked["order"]), Decimal(str(asked["amount"]))
            if not amount.is_finite() or amount <= 0:
                raise ValueError
        except (ValueError, TypeError, KeyError, InvalidOperation):
            return 400, {"error": 'send {"order": "A1", "amount": "12.50"}'}
        return self.charges.charge(self.headers.get("Idempotency-Key") or order, order, amount)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing: the workflow shows what happens."""


class Server(ThreadingHTTPServer):
    """Serves each connection in a thread; one that the other side breaks off is no news."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell all errors but those of the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def server(port: int = 0) -> Server:
    """A service that listens, with no charges yet; port 0 takes any that is free."""
    handler = type("Handler", (Handler,), {"charges": Charges()})
    return Server((HOST, port), handler)


@contextmanager
def running() -> Iterator[str]:
    """The service in a thread, until the block ends; gives its URL."""
    with server() as found:
        thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://{HOST}:{found.server_address[1]}"
        finally:
            found.shutdown()
            thread.join()


if __name__ == "__main__":
    with server(int(sys.argv[1]) if len(sys.argv) > 1 else PORT) as service:
        print(f"export PAYMENTS_URL=http://{HOST}:{service.server_address[1]}", flush=True)
        try:
            service.serve_forever()
        except KeyboardInterrupt:
            print("closed", file=sys.stderr)
