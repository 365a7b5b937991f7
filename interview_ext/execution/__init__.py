"""Running cells: on the server, in the room's sandbox, into the shared document.

A browser only asks. `service` accepts a run when the server's copy of the cell is what
the page showed, `runner` leads one room's queue, `kernels` holds the room's one kernel and
`wire` its sockets. `intake` brings what the kernel says to where it belongs: `outputs`
writes it into the document, `widgets` does what a browser would do for Output widgets.
`kernel_socket` lets JupyterLab's own kernel client in, guarded message by message.

Documents, rooms and sandboxes come through the Protocols in `ports`.
"""
