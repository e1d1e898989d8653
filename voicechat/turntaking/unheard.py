"""Pure: the part of a text that was not heard."""


def unheard(text: str, heard: str) -> str:
    """The rest of `text` from its first word that is not in `heard`, the text's beginning as somebody heard it.

    Only letters and digits are compared, so that spaces and punctuation may differ. Where the beginnings differ, as
    many words are left out as were heard.
    """
    wanted = _letters(heard)
    if not _letters(text).startswith(wanted):
        return " ".join(text.split()[len(heard.split()) :])
    words = text.split()
    count = 0
    while words and count < len(wanted):
        count += len(_letters(words.pop(0)))
    while words and not _letters(words[0]):
        words.pop(0)
    return " ".join(words)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
