"""A TCP proxy before a PostgreSQL server, which loses connections where a test wants it to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

#: The end of a transaction as it is written: CommandComplete, and its tag.
COMMITTED = b"C\0\0\0\x0bCOMMIT\0"
#: A session is authenticated and takes statements.
READY = b"Z\0\0\0\x05"


class Proxy:
    """Passes bytes on, until a text is among them: then that connection is lost, once.

    ``lose_answer`` loses the answer with the text in it, which the server has given; with
    ``lose_request`` the server never gets the request. ``lost`` is set when it has happened.
    While it ``is_silent`` nothing passes, in either direction, and nobody is told; what was sent
    meanwhile arrives when it speaks again.
    """

    def __init__(self, server: str) -> None:
        self._server = conninfo_to_dict(server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = self._request = b""
        self.lost = threading.Event()
        self.is_refusing = False
        self._speaks = threading.Event()
        self._speaks.set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        user, database = self._server.get("user"), self._server.get("dbname")
        port = self._listener.getsockname()[1]
        return (
            f"postgresql://{quote(str(user))}@127.0.0.1:{port}/{quote(str(database))}"
            "?sslmode=disable&gssencmode=disable"
        )

    def lose_answer(self, text: bytes) -> None:
        self.lost.clear()
        self._answer = text

    def lose_request(self, text: bytes) -> None:
        self.lost.clear()
        self._request = text

    @property
    def is_silent(self) -> bool:
        return not self._speaks.is_set()

    @is_silent.setter
    def is_silent(self, value: bool) -> None:
        self._speaks.clear() if value else self._speaks.set()

    def cut(self) -> None:
        """Lose all connections now; the server is not told."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self._speaks.set()
        self.cut()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_refusing:
                    client.close()
                    continue
                server = self._connect()
                self._sockets += [client, server]
                for name, ends in (("_request", (client, server)), ("_answer", (server, client))):
                    threading.Thread(target=self._pass_on, args=(name, *ends), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = str(self._server.get("host", "")), self._server.get("port", 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, int(str(port))))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, name: str, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._speaks.wait()
                text = getattr(self, name)
                if text and text in data:
                    setattr(self, name, b"")
                    for each in (source, sink):
                        each.shutdown(socket.SHUT_RDWR)
                    self.lost.set()
                    return
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
