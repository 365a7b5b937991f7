"""`rooms.ports` made real: SQLite and an in-process bus, which need no setting."""
