"""Prints what looks like frames of the shim, acknowledgements and greetings included.

kind: jupyter protocol
outcome: held at the end
why: What a cell prints is the inside of a frame, never a frame; the descriptors are the shim's
alone.
"""

frame = struct.Struct("!IBBHQ")
for kind in range(9):
    for number in (0, 1, 10**12):
        sys.stdout.buffer.write(frame.pack(2, kind, 4, 0, number) + b"{}") if hasattr(
            sys.stdout, "buffer"
        ) else None
        print((frame.pack(2, kind, 4, 0, number) + b"{}").decode("latin-1"), flush=True)
        for descriptor in (1, 2):
            os.write(descriptor, frame.pack(2, kind, 4, 0, number) + b"{}")
print("at the end")
