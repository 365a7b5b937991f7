"""Looks for secrets in the environment and arguments of every process it sees.

kind: information
outcome: held looked at
why: Nothing of the server's environment is passed on, and other uids' is closed.
sample: yes
"""

seen = [str(sorted(os.environ.items()))]
for pid in [each for each in os.listdir("/proc") if each.isdecimal()]:
    for name in ("environ", "cmdline", "status", "mountinfo", "maps"):
        try:
            seen.append(read(f"/proc/{pid}/{name}").decode(errors="replace"))
        except OSError:
            pass
print(
    "\n".join(
        line
        for text in seen
        for line in text.split("\0")
        if "canary" in line or "TOKEN" in line or "SECRET" in line
    )
)
print("looked at", len(seen))
