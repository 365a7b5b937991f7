"""Reads all files it may, for what other rooms have written.

kind: information
outcome: held files were read
why: No place that can be written is shared by two containers.
"""

count = 0
for folder, folders, names in os.walk("/"):
    if folder in ("/proc", "/sys", "/usr", "/opt", "/lib"):
        folders.clear()
        continue
    for name in names:
        path = os.path.join(folder, name)
        try:
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                text = open(path, "rb").read()
                count += 1
                at = text.find(b"canary-")
                if at >= 0 and path.startswith(
                    ("/work", "/tmp", "/dev", "/var", "/run", "/mnt", "/home")
                ):
                    print(path, text[at : at + 40])
        except OSError:
            pass
print(count, "files were read")
