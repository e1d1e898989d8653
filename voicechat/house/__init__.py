"""The house: engines, limits and doors put together, and the sessions that live in it."""

from voicechat.house.house import House

__all__ = ["House"]
