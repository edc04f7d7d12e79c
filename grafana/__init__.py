"""Grafana's dashboards, written from the registry: ``python -m grafana``. Needs the developers' dependencies."""
