"""The decoders that are there, lent to one utterance each."""

import threading
from collections.abc import Callable
from contextlib import suppress

from voicechat.errors import EngineFailed
from voicechat.sphinx.ears import Ears


class Pool:
    """Holds up to `limit` ears; one set is made at once, more in the background when they are asked for.

    Made, lent and given back from any thread. Making them takes 0.4 s and raises EngineFailed.
    """

    def __init__(self, make: Callable[[], Ears], limit: int) -> None:
        self._make, self._limit = make, limit
        self._lock = threading.Lock()
        self._free = [make()]
        self._made = 1
        self._maker: threading.Thread | None = None
        self._closed = False

    def take(self) -> Ears | None:
        """Free ears, if there are any. Never waits: where more may be made, that begins in the background."""
        with self._lock:
            if self._free:
                return self._free.pop()
            if self._maker is None and self._made < self._limit and not self._closed:
                self._maker = threading.Thread(target=self._make_more, name="sphinx-load", daemon=True)
                self._maker.start()
            return None

    def take_now(self) -> Ears:
        """Ears in any case: beyond the limit a spare set is made, and dropped after use.

        To wait for another utterance's ears could be for ever: its next step may come after this one on the same lane.
        """
        with self._lock:
            if self._free:
                return self._free.pop()
        ears = self._make()
        with self._lock:
            self._made += 1
        return ears

    def give(self, ears: Ears) -> None:
        """Ears that are not needed any more."""
        with self._lock:
            keeps = not self._closed and self._made <= self._limit
            if keeps:
                self._free.append(ears)
            else:
                self._made -= 1
        if not keeps:
            ears.close()

    def close(self) -> None:
        """Free all that are not lent; those that are, when they come back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
            maker = self._maker
        if maker is not None:
            maker.join()
        for ears in free:
            ears.close()

    def _make_more(self) -> None:
        with suppress(EngineFailed):  # the utterance that needs ears will make its own, and hear of it
            ears = self._make()
            with self._lock:
                self._made += 1
            self.give(ears)
        with self._lock:
            self._maker = None
