"""So many bytes for all requests together."""

import pytest

from voicechat.errors import NoRoom
from voicechat.transport.rest.allowance import Allowance


def test_all_together_have_no_more_than_there_is() -> None:
    allowance = Allowance(100)
    with allowance.share() as one, allowance.share() as other:
        one.take(60)
        other.take(40)
        with pytest.raises(NoRoom, match="100 bytes"):
            one.take(1)
        other.give(10)
        one.take(10)
    assert allowance.left == 100


def test_share_is_free_again_however_its_request_ends() -> None:
    allowance = Allowance(100)
    with pytest.raises(NoRoom), allowance.share() as share:
        share.take(70)
        share.take(70)
    assert allowance.left == 100
