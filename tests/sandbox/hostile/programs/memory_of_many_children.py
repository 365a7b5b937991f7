"""Has twenty children take 100 MB each.

kind: memory
outcome: held some were killed
why: Whoever is over the limit is killed inside; the kernel, smaller, goes on.
"""

hold = "x = b'x' * (100 << 20); import time; time.sleep(8)"
children = [subprocess.Popen([sys.executable, "-c", hold]) for _ in range(20)]
codes = [child.wait() for child in children]
print("some were killed" if -signal.SIGKILL in codes else codes)
