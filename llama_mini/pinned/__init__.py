"""Files of public package registries, each known by its SHA-256: fetched once, then kept."""
