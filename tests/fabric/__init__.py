"""Several servers, one set of rooms."""
