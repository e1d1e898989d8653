"""PocketSphinx for a server: called through its C interface, which lets other threads run meanwhile."""
