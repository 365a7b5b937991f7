"""Shared documents: every keystroke checked, committed to the log, then forwarded.

The way of one frame through this package::

    socket     size, rate, the seat's rights            (tornado; nothing else is)
    wire       y-websocket's messages; what a Yjs update holds: clients, clocks, deletions
    gate       whose clients they are; new, known already, or with a gap
    rehearsal  whether the engine can apply it
    relay      one order for all: commit to the log, apply once, forward
    shared     the document as the rest of the server sees it

A participant's private branch goes the same way (``branches``, ``merging``); its log is encrypted
(``sealing``).

Beside the way: ``awareness`` (who is where, under their own names only), ``content``
(a notebook as JSON, whatever clients made of it) and ``export`` (the file in the
host's folder, written and never read back). `documents.Documents` puts them together.
"""
