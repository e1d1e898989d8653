"""Pure: text on its way to a voice, and which of its words have sounded."""
