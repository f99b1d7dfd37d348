"""Django's engines for the two databases, with their queries counted for /api/metrics."""
