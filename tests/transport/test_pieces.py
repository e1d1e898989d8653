"""A file in pieces reads as the same bytes in one would."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicechat.transport.pieces import Pieces


def cut(parts: list[bytes]) -> Pieces:
    pieces = Pieces()
    for part in parts:
        pieces.append(part)
    return pieces


def read_all(pieces: Pieces, size: int) -> bytes:
    found = b""
    while part := pieces.read(size):
        assert len(part) <= size or size < 0
        found += part
    return found


@given(st.lists(st.binary(max_size=9), max_size=8), st.sampled_from([-1, 1, 3, 100]))
def test_what_was_put_in_is_read(parts: list[bytes], size: int) -> None:
    pieces, whole = cut(parts), b"".join(parts)
    assert read_all(pieces, size) == whole
    assert (pieces.read(size), pieces.tell(), pieces.size) == (b"", len(whole), len(whole))
    assert [pieces.head(length) for length in range(12)] == [whole[:length] for length in range(12)]


@given(
    st.lists(st.binary(max_size=9), max_size=8),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([io.SEEK_SET, io.SEEK_CUR])), max_size=5),
)
def test_seeking_goes_where_it_does_in_a_file(parts: list[bytes], moves: list[tuple[int, int]]) -> None:
    pieces, file = cut(parts), io.BytesIO(b"".join(parts))
    for offset, whence in moves:
        assert pieces.seek(offset, whence) == file.seek(offset, whence) == pieces.tell()
    assert read_all(pieces, 4) == file.read()


def test_end_is_found_from_behind_and_nothing_is_before_the_beginning() -> None:
    pieces = cut([b"abc", b"de"])
    assert pieces.seek(-2, io.SEEK_END) == 3 and pieces.read() == b"de"
    assert pieces.seek(-9, io.SEEK_CUR) == 0 and pieces.read(2) == b"ab"
    with pytest.raises(KeyError):
        pieces.seek(0, 7)


def test_nothing_is_left_after_clearing() -> None:
    pieces = cut([b"abc"])
    pieces.clear()
    assert (pieces.read(), pieces.size, pieces.head(3)) == (b"", 0, b"")
