"""A real Apache Kafka without Docker or an installed Java, and the topics that Centralita needs."""
