"""Puts programs of its own behind the kernel's ports, which send the shim what no ZMQ peer sends.

kind: jupyter protocol
outcome: killed time limit
why: The shim drops such peers, or is ended with its container; nothing of it reaches the host.
limits: run_s=3
"""

import gc
import threading

import zmq

for each in [each for each in gc.get_objects() if isinstance(each, zmq.Socket)]:
    each.close(linger=0)
time.sleep(0.5)
greeting = b"\xff" + bytes(8) + b"\x7f\x03\0NULL" + bytes(48)
ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB"
huge = b"\x02" + struct.pack(">Q", 1 << 62)


def serve(port, answer):
    with socket.create_server(("127.0.0.1", port), reuse_port=False) as server:
        while True:
            client, _ = server.accept()
            with client:
                try:
                    client.sendall(answer)
                    time.sleep(0.05)
                except OSError:
                    pass


for port, answer in (
    (6001, os.urandom(65536)),
    (6002, greeting + ready + huge),
    (6003, greeting + ready + os.urandom(4096)),
    (6004, b"HTTP/1.1 200 OK\r\n\r\n"),
    (6005, greeting),
):
    threading.Thread(target=serve, args=(port, answer), daemon=True).start()
time.sleep(60)
