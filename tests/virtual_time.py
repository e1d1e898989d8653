"""Tests run on the clock that the tuner runs on."""

from voicechat.rehearsal.virtual_time import LIMIT_SECONDS, VirtualLoop, run

__all__ = ["LIMIT_SECONDS", "VirtualLoop", "run"]
