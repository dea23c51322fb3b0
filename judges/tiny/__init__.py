"""Models small enough to be trained in seconds: for the demo, and for tests that need the real thing."""
