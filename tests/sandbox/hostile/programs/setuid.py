"""Becomes somebody else: by system call, and by every set-uid program of the image.

kind: kernel surface
outcome: refused EPERM EMPTY
why: No process in there can gain privileges, whatever it starts.
"""

for uid in (0, 901, 1001):
    attempt(f"setuid {uid}", os.setuid, uid)
    attempt(f"setresuid {uid}", os.setresuid, uid, uid, uid)
    attempt(f"setgid {uid}", os.setgid, uid)
attempt("setgroups", os.setgroups, [0, 901])
attempt(
    "capset",
    syscall,
    126,
    struct.pack("Ii", 0x20080522, 0),
    struct.pack("IIIIII", *[0xFFFFFFFF] * 6),
)


def run_set_uid(path):
    done = subprocess.run(
        [path, "--version"], capture_output=True, check=False, input=b"", timeout=5
    )
    return done.stdout if b"root" in done.stdout else b""


programs = subprocess.run(
    "find / -xdev -perm /6000 -type f 2>/dev/null",
    shell=True,
    capture_output=True,
    text=True,
    check=False,
)
for path in programs.stdout.split():
    attempt(path, run_set_uid, path)
attempt(
    "privileges",
    lambda: (
        int(
            next(
                line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")
            ),
            16,
        )
        or ""
    ),
)
