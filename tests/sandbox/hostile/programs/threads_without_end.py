"""Starts threads until it may not.

kind: pids and descriptors
outcome: held can't start new thread
why: Threads count as processes.
"""

import threading

stop = threading.Event()
try:
    while True:
        threading.Thread(target=stop.wait, daemon=True).start()
except RuntimeError as error:
    print(error)
finally:
    stop.set()
    time.sleep(0.5)
