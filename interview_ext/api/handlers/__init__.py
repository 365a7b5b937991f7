"""The handlers, one module a resource. Each parses, makes one call and writes the answer."""
