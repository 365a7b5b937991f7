"""Gives files names made for those who list, show or fetch them.

kind: file system
outcome: held 11 files
why: The shim follows no link and opens nothing but regular files; a name is never a path of the
host's.
"""

os.mkdir("names")
names = (
    b"\x1b[2J\x1b]0;x\x07",
    b"two\nlines",
    b"\xff\xfe\xfd",
    b"x" * 255,
    "\u202egpj.exe".encode(),
    b"<img src=x onerror=alert(1)>",
    b"-rf",
    b"..\\..\\x",
    b"%2e%2e%2fx",
    b" ",
    b"con.csv:stream",
)
for name in names:
    with open(b"names/" + name, "wb") as file:
        file.write(b"x")
os.symlink("/etc/passwd", "names/link")
os.symlink("/proc/1/environ", "names/other")
try:
    os.mkfifo("names/fifo")
except PermissionError:
    pass
os.symlink(".", "names/loop")
print(sum(1 for each in os.scandir("names") if each.is_file(follow_symlinks=False)), "files")
