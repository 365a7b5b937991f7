"""Where cells run: containers of their own, behind ordinary Jupyter kernels.

Usable without the rest of the package: nothing here imports more of it than its errors.

    profiles      what a sandbox is made of, and its limits
    engine        the port to whatever runs containers; `docker` fills it
    frames, link  the framed stdio of one container: numbered, acknowledged, replayed
    sandbox       one container from creation to death
    datasets      large data files on disk, by digest; every container mounts them
    relay         stable ZMQ endpoints on the host, with whichever sandbox stands behind them
    forecast      how many will be needed soon: arithmetic
    pool, pools   sandboxes started ahead of need, and the line of those who wait for one
    warmup        what a kernel imports while it waits
    metrics       what Prometheus is told
    sandboxes     all of a server's sandboxes; made once, by whoever owns the server
    provisioner   a Jupyter kernel on top: what plain JupyterLab and nbclient use
    images        builds the images
"""
