"""What toolboxes share: how arguments are read, how much a result may be, and where a tool may not be."""
