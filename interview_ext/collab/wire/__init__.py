"""What travels on a document socket: y-websocket's messages and, in them, Yjs updates.

`framing` reads and writes the messages, `update` reads what an update holds without
applying it, `varint` has the primitives of both. Nothing here knows of rooms.
"""
