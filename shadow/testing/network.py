"""A network that can be cut, fall silent, and lead elsewhere."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from testing.server import free_port


class Network:
    """A way to a server that can be cut: open connections break, new ones are refused."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = free_port()
        self._up = True
        self._flows = threading.Event()
        self._flows.set()
        self._pairs: set[socket.socket] = set()
        self.broken = 0
        self.refused = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float) -> None:
        self._up = False
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        self.broken += len(pairs) // 2
        for end in pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        time.sleep(seconds)
        self._up = True

    def stall(self) -> None:
        """From now on nothing arrives, and no connection ends: as behind a link that is down and that nobody has noticed yet."""
        self._flows.clear()

    def lead_to(self, port: int) -> None:
        """New connections go to another server."""
        self._target = port

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._up:
                near.close()
                self.refused += 1
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        self._flows.wait()
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.close()
            with self._lock:
                self._pairs.discard(end)
