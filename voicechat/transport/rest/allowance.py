"""Memory for what is sent to us: so many bytes for all requests together. No I/O."""

from collections.abc import Iterator
from contextlib import contextmanager

from voicechat.errors import NoRoom


class Allowance:
    """`most` bytes at a time."""

    def __init__(self, most: int) -> None:
        self.most = self.left = most

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """What is taken of it is free again at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            share.give(share.taken)


class Share:
    """What one request has of it, in bytes."""

    def __init__(self, whole: Allowance) -> None:
        self.taken = 0
        self._whole = whole

    def take(self, size: int) -> None:
        """Raises NoRoom where all requests together would have too much."""
        if size > self._whole.left:
            raise NoRoom(f"all {self._whole.most} bytes for recordings are taken")
        self._whole.left -= size
        self.taken += size

    def give(self, size: int) -> None:
        self._whole.left += size
        self.taken -= size
