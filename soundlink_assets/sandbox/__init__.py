"""A synthetic Soundlink API to run against, for the demo, the tests and rehearsed outages."""
