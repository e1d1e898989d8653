"""How the terminal's callers show their key."""

from typing import Final

VARIABLE: Final = "VOICECHAT_KEY"


def headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}
