"""Exact contact-center KPIs from a stream of events."""
