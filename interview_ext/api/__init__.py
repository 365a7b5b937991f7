"""The HTTP API of interview rooms: one table of operations, thin handlers, one error map.

`operations` is the contract: every path and method with the models of what goes in
and out and the action of `interview_ext.rooms.roles` it takes. `openapi` prints it as
a document that the TypeScript client is generated from, `routes` binds it to handlers,
and the base handler refuses whatever is not in it.
"""
