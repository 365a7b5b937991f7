"""InterviewApp.store_url and bus_url: what is taken, what is said, and what is never said."""

from __future__ import annotations

import subprocess
import sys

import pytest
from traitlets import TraitError

from interview_ext.app import InterviewApp
from interview_ext.house import bus_for
from interview_ext.storage.addresses import redacted

SECRET = "s3cret"
STORE = "mongodb://localhost/interviews"
BUS = "redis://localhost"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mongodb://localhost/interviews",
        "mongodb://me:s3cret@a:1,b:2,[::1]:3/interviews?replicaSet=rs&tls=true&authSource=admin",
        "mongodb+srv://me:s3cret@cluster.example.org/interviews?tls=true",
    ],
)
def test_stores_that_will_do(url: str) -> None:
    assert InterviewApp(store_url=url).store_url == url


@pytest.mark.parametrize(
    "url", ["", "redis://localhost", "rediss://me:s3cret@[::1]:6380/3?ssl_cert_reqs=required"]
)
def test_buses_that_will_do(url: str) -> None:
    app = InterviewApp(bus_url=url, store_url=STORE)
    assert app.bus_url == url
    assert bus_for(app).shared is bool(url)
    assert SECRET not in bus_for(app).about


@pytest.mark.parametrize(
    ("trait", "url", "said"),
    [
        ("store_url", "postgres://me:s3cret@db/x", "mongodb://"),
        ("store_url", "/var/lib/interviews.sqlite", "store_path"),
        ("store_url", "mongodb://me:s3cret@localhost", "name a database"),
        ("store_url", "mongodb://me:s3cret@localhost/a.b", "name a database"),
        ("store_url", "mongodb://me:s3cret/x@localhost/interviews", "name a database"),
        ("store_url", "mongodb://me:s3cret%zz@localhost/interviews", "percent-encoded"),
        ("store_url", "mongodb://me:s3cret:x@localhost/interviews", "percent-encoded"),
        ("store_url", "mongodb://me:s3cret@[bad/interviews", "percent-encoded"),
        ("store_url", f"{STORE}?tlsCertificateKeyFilePassword=s3cret&tls=x", "tls"),
        ("store_url", f"{STORE}?nonsense=s3cret", "Unknown option"),
        ("store_url", f"{STORE}?tlsCAFile=/none/ca.pem", "refused"),
        ("store_url", "mongodb:///interviews", "host"),
        ("store_url", BUS, "mongodb://"),
        ("bus_url", "amqp://me:s3cret@host", "redis://"),
        ("bus_url", "redis://:s3cret@", "is not a URL"),
        ("bus_url", "redis://me:s3cret@host:x/0", "is not a URL"),
        ("bus_url", "redis://me:s3cret@host/rooms", "no number"),
        ("bus_url", "redis://me:s3cret@host/0?protocol=3", "protocol"),
        ("bus_url", STORE, "a single server"),
    ],
)
def test_urls_that_will_not_do(trait: str, url: str, said: str) -> None:
    with pytest.raises(TraitError, match=rf"InterviewApp\.{trait} ") as caught:
        InterviewApp(**{trait: url})
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_file_is_no_store_for_several_servers() -> None:
    with pytest.raises(TraitError, match=r"InterviewApp\.bus_url .*store_url"):
        bus_for(InterviewApp(bus_url=BUS))


@pytest.mark.parametrize(
    ("trait", "url", "driver", "extra"),
    [("store_url", STORE, "pymongo", "mongodb"), ("bus_url", BUS, "redis", "redis")],
)
def test_without_a_driver_it_says_how_to_get_it_and_all_else_works(
    trait: str, url: str, driver: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What imports a driver is imported only where it is used."""
    code = f"import sys; sys.modules[{driver!r}] = None; import interview_ext.app"
    code += ", interview_ext.cli.doctor"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(TraitError, match=rf"jupyter-interview-rooms\[{extra}\]"):
        InterviewApp(**{trait: url})


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("mongodb://me:s3cret@a,b/x?password=s3cret", "mongodb://a,b/x"),
        ("mongodb+srv://me:s3@cret@a/x", "mongodb+srv://a/x"),
        ("mongodb://a/x", "mongodb://a/x"),
    ],
)
def test_what_is_shown_of_a_url(url: str, seen: str) -> None:
    assert redacted(url) == seen
