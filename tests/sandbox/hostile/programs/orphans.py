"""Has 150 processes die as orphans, for PID 1 to reap.

kind: pids and descriptors
outcome: held a process can still be started
why: The shim reaps whatever falls to it, so that they do not use up the limit.
limits: pids=64
"""

for _ in range(150):
    os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", ":&"], {}), 0)
time.sleep(0.2)
subprocess.run(["echo"], check=True)
print("a process can still be started")
