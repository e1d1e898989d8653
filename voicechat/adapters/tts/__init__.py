"""Speech synthesizers."""


def plain(text: str) -> str:
    """The text without what no C library takes: lone surrogates, which UTF-8 has no bytes for, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")
