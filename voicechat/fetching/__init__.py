"""Models from their hub: found, fetched with resume and checksum, and put in place whole."""
