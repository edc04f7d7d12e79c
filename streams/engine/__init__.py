"""The pure engine: from events to panes, without Kafka, a clock, a log or any other effect."""
