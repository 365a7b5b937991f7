"""What an interview is: rooms, people, invites, and what each may do when.

Nothing here knows a web framework, a container engine or a CRDT library. Time
and randomness are passed in, storage and messages come through `ports`.
"""
