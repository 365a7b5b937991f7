"""Looks for another room's kernel at every port of loopback.

kind: cross-room
outcome: refused EMPTY ECONNREFUSED
why: Loopback is the container's own; only its own kernel listens.
sample: yes
"""

own = {6001, 6002, 6003, 6004, 6005}


def listening():
    found = []
    for port in range(1, 32768):  # above, a client may meet itself
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return sorted(set(found) - own)


attempt("ports", listening)
attempt("the neighbour's", socket.create_connection, ("127.0.0.1", 7777), 2)
