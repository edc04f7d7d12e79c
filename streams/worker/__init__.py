"""The live processor: events from Kafka through the engine to panes, exactly once."""
