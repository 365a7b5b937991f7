"""Real services on free loopback ports, started and stopped by the tests that use them."""
