"""What crosses a boundary: events in, panes and dead letters out, each as a typed structure."""
