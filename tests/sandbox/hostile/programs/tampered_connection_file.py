"""Changes the file that says where the kernel listens.

kind: jupyter protocol
outcome: refused EROFS EACCES EPERM ENOENT
why: It is part of the image, which is read-only, and holds no secret.
"""

for path in ("/opt/interview/kernel.json", "/proc/1/root/opt/interview/kernel.json"):
    attempt(path, write, path, b"{}")
    attempt(f"unlink {path}", os.unlink, path)
    attempt(f"chmod {path}", os.chmod, path, 0o777)
