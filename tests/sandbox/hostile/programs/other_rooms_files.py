"""Reads all files it may, for what other rooms have written.

kind: information
outcome: held files were read
why: No place that can be written is shared by two containers.
"""

count = 0
places = ["/"]  # os.walk gives up in folders as deep as another program has made
while places:
    try:
        entries = list(os.scandir(places.pop()))
    except OSError:
        continue
    for entry in entries:
        path = entry.path
        try:
            if entry.is_dir(follow_symlinks=False):
                if path not in ("/proc", "/sys", "/usr", "/opt", "/lib"):
                    places.append(path)
            elif os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
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
