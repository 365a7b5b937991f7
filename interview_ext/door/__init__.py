"""The door: everybody in a room enters it by a web application of their own.

`doors` is the router that stands before the Jupyter server's own and asks for the seat;
`application` makes a person's tornado Application from allow-lists; `routes` lists what
there is in it, by role; `managers` show JupyterLab the room and nothing else;
`landing` is the one part that answers without a seat, and `assets` holds the static files.
"""
