"""A tool for the server to run; see `chat.TOOL`."""

HOURS = "The dinosaurs are open until six."


def opening_hours(hall: str) -> str:
    """Until when a hall is open."""
    return HOURS if hall == "dinosaurs" else f"Nobody knows of {hall}."
