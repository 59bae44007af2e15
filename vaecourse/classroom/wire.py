"""The way to a jailed kernel: Jupyter's messages over ZMTP 3.0 on a plain socket.

A ZeroMQ library on this side would read whatever the jail sends into memory of ours: messages of any number of parts,
and connect again wherever the jail lets a link point. Here every byte is counted before it is kept, nothing runs in the
background, and the socket is looked at before it is opened.
"""

import contextlib
import hashlib
import hmac
import json
import os
import select
import socket
import stat
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4
DELIMITER = b"<IDS|MSG>"
MOST_PARTS = 64
CHUNK = 2**18


class Closed(Exception):
    """The other side is gone, or no longer speaks the protocol."""


class Garbled(Exception):
    """The other side said what no kernel says."""


class Flood(Exception):
    """The other side sent more bytes than it may."""


@dataclass(frozen=True)
class Message:
    """One of Jupyter's messages: what it is, what it answers, what it says. Not trusted."""

    kind: str
    answers: str
    content: dict


class Channel:
    """One socket of a kernel. `allowed` is how many more bytes it may send."""

    def __init__(self, address: str | int, kind: str, allowed: int, key: bytes, patience: float = 10.0):
        self.allowed = allowed
        self._key, self._buffer, self._parts = key, bytearray(), []
        self._socket = _connected(address, patience)
        try:
            self._socket.settimeout(patience)
            self._socket.sendall(GREETING)
            greeting = self._exactly(64)
            if greeting[0] != 0xFF or greeting[10] < 3 or not greeting[12:32].startswith(b"NULL\0"):
                raise Closed
            properties = {b"Socket-Type": kind.encode(), b"Identity": b""}
            body = b"\x05READY" + b"".join(
                bytes([len(k)]) + k + len(v).to_bytes(4, "big") + v for k, v in properties.items()
            )
            self._socket.sendall(bytes([COMMAND, len(body)]) + body)
            flags, size = self._exactly(2)
            if flags != COMMAND or not self._exactly(size).startswith(b"\x05READY"):
                raise Closed
            if kind == "SUB":
                self._socket.sendall(b"\x00\x01\x01")  # everything, please
            self._socket.setblocking(False)
        except (OSError, Closed) as error:
            self.close()
            raise Closed from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, kind: str, content: dict, patience: float = 5.0) -> str:
        """Send a request; the answer will name what is returned."""
        name = uuid.uuid4().hex
        header = {
            "msg_id": name,
            "msg_type": kind,
            "username": "",
            "session": "classroom",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.3",
        }
        parts = [json.dumps(p).encode() for p in (header, {}, {}, content)]
        frames = [DELIMITER, self._sign(parts), *parts]
        packed = b"".join(_frame(f, more=i + 1 < len(frames)) for i, f in enumerate(frames))
        try:
            self._socket.settimeout(patience)
            self._socket.sendall(packed)
            self._socket.setblocking(False)
        except OSError as error:
            raise Closed from error
        return name

    def receive(self) -> Iterator[Message]:
        """The messages that have come since; Closed, Garbled or Flood after the last of them."""
        end: Exception | None = None
        with contextlib.suppress(BlockingIOError):
            while end is None:
                try:
                    got = self._socket.recv(CHUNK)
                except BlockingIOError:
                    raise
                except OSError:
                    got = b""
                self.allowed -= len(got)
                if self.allowed < 0:
                    end = Flood()
                elif not got:
                    end = Closed()
                else:
                    self._buffer += got
                    if len(got) < CHUNK:
                        break
        while frame := self._next_frame():
            flags, body = frame
            if flags & COMMAND:
                continue
            self._parts.append(body)
            if len(self._parts) > MOST_PARTS:
                raise Flood
            if not flags & MORE:
                parts, self._parts = self._parts, []
                yield self._read(parts)
        if end:
            raise end

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        flags, start = buffer[0], 9 if buffer[0] & LONG else 2
        if flags & ~(MORE | LONG | COMMAND):
            raise Garbled
        if len(buffer) < start:
            return None
        size = int.from_bytes(buffer[1:start], "big")
        if size - len(buffer) > self.allowed:
            raise Flood
        if len(buffer) < start + size:
            return None
        body = bytes(buffer[start : start + size])
        del buffer[: start + size]
        return flags, body

    def _read(self, parts: Sequence[bytes]) -> Message:
        """The message; one whose content cannot be read says nothing."""
        signature, *rest = parts[parts.index(DELIMITER) + 1 :] if DELIMITER in parts else (b"",)
        if len(rest) < 4 or not hmac.compare_digest(signature, self._sign(rest[:4])):
            raise Garbled
        header, parent, content = (_parsed(rest[i]) for i in (0, 1, 3))
        kind, answers = header.get("msg_type"), parent.get("msg_id", "")
        if not (isinstance(kind, str) and isinstance(answers, str)):
            raise Garbled
        return Message(kind, answers, content)

    def _sign(self, parts: Sequence[bytes]) -> bytes:
        return hmac.new(self._key, b"".join(parts), hashlib.sha256).hexdigest().encode()

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = self._socket.recv(size - len(got))
            if not more:
                raise Closed
            got += more
        return got


def readable(sources: Sequence, seconds: float) -> list:
    """Those of the sources from which something can be read within so many seconds."""
    if not hasattr(select, "poll"):  # Windows
        return select.select(sources, [], [], max(0.0, seconds))[0]
    waiting = select.poll()  # unlike `select`, for any number of open files
    numbers = {s if isinstance(s, int) else s.fileno(): s for s in sources}
    for number in numbers:
        waiting.register(number, select.POLLIN)
    return [numbers[number] for number, _ in waiting.poll(max(0.0, seconds) * 1000)]


def _frame(body: bytes, more: bool) -> bytes:
    size = bytes([len(body)]) if len(body) < 256 else len(body).to_bytes(8, "big")
    return bytes([more * MORE | (len(size) > 1) * LONG]) + size + body


def _parsed(text: bytes) -> dict:
    try:
        value = json.loads(text, parse_int=whole)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def whole(text: str) -> int:
    if len(text) > 400:  # beyond every float; Python itself refuses at 4300 digits
        raise ValueError
    return int(text)


def _connected(address: str | int, patience: float) -> socket.socket:
    """A socket connected to a port of this machine, or to a path: to a socket there, never through a link."""
    try:
        if isinstance(address, int):
            return socket.create_connection(("127.0.0.1", address), patience)
        place = os.open(address, os.O_PATH | os.O_NOFOLLOW) if hasattr(os, "O_PATH") else -1
        try:
            if place >= 0 and not stat.S_ISSOCK(os.fstat(place).st_mode):
                raise Closed
            made = socket.socket(socket.AF_UNIX)
            try:
                made.settimeout(patience)
                made.connect(f"/proc/self/fd/{place}" if place >= 0 else address)
            except BaseException:
                made.close()
                raise
            return made
        finally:
            if place >= 0:
                os.close(place)
    except OSError as error:
        raise Closed from error
