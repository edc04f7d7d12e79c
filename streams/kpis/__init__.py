"""What each figure means, and how it is read from panes: the one place that wallboard, API, Prometheus and reports ask."""
