"""Which replica speaks a reply, and which device takes a model. Pure: no I/O, no clock and no chance of its own.

`Router.choose` takes a replica for a `Wish`; `place` takes a device for a model.
"""

from voicechat.placement.devices import Device, place
from voicechat.placement.replicas import Replica, Wish
from voicechat.placement.routing import Decision, Routed, Router

__all__ = ["Decision", "Device", "Replica", "Routed", "Router", "Wish", "place"]
