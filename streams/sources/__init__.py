"""Where events come in: each source turns what it reads into our events, keyed by the customer."""
