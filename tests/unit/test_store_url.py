"""InterviewApp.store_url: what is taken, what is said, and what is never said."""

from __future__ import annotations

import subprocess
import sys

import pytest
from traitlets import TraitError

from interview_ext.app import InterviewApp
from interview_ext.storage.addresses import redacted

SECRET = "s3cret"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mongodb://localhost/interviews",
        "mongodb://me:s3cret@a:1,b:2,[::1]:3/interviews?replicaSet=rs&tls=true&authSource=admin",
        "mongodb+srv://me:s3cret@cluster.example.org/interviews?tls=true",
    ],
)
def test_urls_that_will_do(url: str) -> None:
    assert InterviewApp(store_url=url).store_url == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://me:s3cret@db/x", "mongodb://"),
        ("/var/lib/interviews.sqlite", "store_path"),
        ("mongodb://me:s3cret@localhost", "name a database"),
        ("mongodb://me:s3cret@localhost/a.b", "name a database"),
        ("mongodb://me:s3cret/x@localhost/interviews", "name a database"),
        ("mongodb://me:s3cret%zz@localhost/interviews", "percent-encoded"),
        ("mongodb://me:s3cret:x@localhost/interviews", "percent-encoded"),
        ("mongodb://me:s3cret@[bad/interviews", "percent-encoded"),
        ("mongodb://localhost/interviews?tlsCertificateKeyFilePassword=s3cret&tls=x", "tls"),
        ("mongodb://localhost/interviews?nonsense=s3cret", "Unknown option"),
        ("mongodb://localhost/interviews?tlsCAFile=/none/ca.pem", "refused"),
        ("mongodb:///interviews", "host"),
    ],
)
def test_urls_that_will_not_do(url: str, said: str) -> None:
    with pytest.raises(TraitError, match=r"InterviewApp\.store_url") as caught:
        InterviewApp(store_url=url)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_without_pymongo_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymongo", None)
    with pytest.raises(TraitError, match=r"jupyter-interview-rooms\[mongodb\]"):
        InterviewApp(store_url="mongodb://localhost/interviews")


def test_without_pymongo_all_else_works() -> None:
    """What imports pymongo is imported only where it is used."""
    code = "import sys; sys.modules['pymongo'] = None; import interview_ext.app, interview_ext.cli"
    subprocess.run([sys.executable, "-c", f"{code}.doctor"], check=True, timeout=60)


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
