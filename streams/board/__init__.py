"""The board: reads the figures' topic and serves wallboard, API, stream and Prometheus. It keeps nothing of its own."""
