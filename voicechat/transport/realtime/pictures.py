"""Pictures in items, as the realtime protocol has them: whole, in a `data:` address. No I/O."""

import base64
import binascii
import re
from typing import Final

from voicechat.conversation import Picture
from voicechat.transport.fields import Fields

LONGEST: Final = 512 * 1024
"""Characters of its base64, 390 kB of picture. All that are remembered are sent to the language model at every turn."""

_ADDRESS: Final = re.compile(r"data:image/(?:png|jpeg);base64,")


def read(part: Fields) -> Picture:
    """No address is ever looked at: it may be of anything that this server can reach. Raises BadMessage."""
    address = part.text("image_url")
    if not (head := _ADDRESS.match(address)):
        part.refuse("image_url", "data:image/png;base64,… or data:image/jpeg;base64,… is expected", "image_not_data")
    if len(address) - head.end() > LONGEST:
        part.refuse("image_url", f"at most {LONGEST} characters of base64 are taken", "image_too_large")
    try:
        base64.b64decode(address[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        part.refuse("image_url", "it is not base64", "image_not_data")
    return Picture(address, part.one_of("detail", "auto", "low", "high") if part.has("detail") else "auto")
