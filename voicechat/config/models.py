"""Settings of what is loaded, and of who of it speaks: `models` and `routing`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ByteSize, Field

from voicechat.config.section import Count, Seconds, Section


class ModelSettings(Section):
    root: Path = Path("~/.local/share/voicechat/models")
    """Holds whisper/<name>/, turn/<name>.onnx, piper/<name>.onnx with its .onnx.json, and voices/<name>/."""
    hub: Annotated[str, Field(pattern=r"^(https://[^/\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(/\S*)?$")] = (
        "https://huggingface.co"
    )
    """Where `models pull` fetches from: this or a mirror of it."""
    ttl: Seconds | None = 900.0
    """A model that nobody uses is unloaded after so long, preloaded or not; null: never. The default ones stay."""
    evict_interval: Annotated[float, Field(gt=0)] = 30.0
    """How often such models are looked for."""
    resident_cap: Count | None = None
    """The most models in memory; of more, the one that was used least recently is unloaded. Null: no limit."""
    memory_budget: Annotated[ByteSize, Field(ge=1)] | None = None
    """The most that models may take on each device, e.g. 8GiB; null: no limit."""
    max_parallel_loads: Count = 2


class RoutingSettings(Section):
    """Which replica of which engine speaks a reply."""

    strategy: Literal["least_loaded", "round_robin", "least_latency", "random", "weighted"] = "least_loaded"
    affinity: Annotated[str, Field(pattern=r"^(memory|rediss?://[^/\s]+\S*)$")] = "memory"
    """Where it is kept which replica speaks for a caller."""
    stale_seconds: Annotated[float, Field(gt=0)] = 60.0
    """A replica without a sign of life for so long is left out."""
    fallback: str = ""
    """The engine that speaks where no other can; empty: none."""
