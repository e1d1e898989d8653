"""Pure: the rules by which `turn.Floor` decides: what interrupts, what is forgotten, how long a silence must last."""
