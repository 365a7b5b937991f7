"""Who the host is, outside the doors."""
