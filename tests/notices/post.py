"""A mail server that keeps what it is given, and refuses whom it is told to."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Post:
    """What came in, in order."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []
        self.bad: dict[str, str] = {}  # address: what it is answered
        self.kill: int | None = None  # a process that dies as soon as its mail is in
        self.port = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _o: Any
    ) -> str:
        if address in self.bad:
            return self.bad[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.rcpt_tos[0], message))
        if self.kill is not None:
            os.kill(self.kill, signal.SIGKILL)
        return "250 accepted"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for whom, message in self.mails if whom == address]


@contextmanager
def post_office() -> Iterator[Post]:
    post = Post()
    with socket.create_server(("127.0.0.1", 0)) as free:
        post.port = free.getsockname()[1]
    controller = Controller(post, hostname="127.0.0.1", port=post.port)
    controller.start()
    try:
        yield post
    finally:
        controller.stop()
