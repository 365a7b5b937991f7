"""Computes on 60 threads that hold no lock.

kind: cpu
outcome: interrupted hashing
why: The quota is the container's, however many threads share it.
sample: yes
"""

import hashlib
import threading

stop = threading.Event()


def work():
    while not stop.is_set():
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 20_000)


for _ in range(60):
    threading.Thread(target=work, daemon=True).start()
print("hashing", flush=True)
try:
    time.sleep(60)
finally:
    stop.set()
    time.sleep(1)
