"""The whole product: a real server process, real containers, people who speak its protocols."""
