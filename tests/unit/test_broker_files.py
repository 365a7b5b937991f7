"""What a broker and a server keep in files, and the address between them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from interview_ext.errors import Unauthenticated
from interview_ext.sandbox.broker_clients import BrokerUsers
from interview_ext.sandbox.broker_http import BrokerAddress
from interview_ext.sandbox.claims import Claim, Claims

CLAIM = Claim(id="a1", container="c", process="p", sync="00ff", profile="python", room="r")


def test_a_claim_is_found_again_and_what_is_none_is_removed(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "claims")
    claims.save(CLAIM)
    claims.save(replace(CLAIM, id="b2", sync="no hex"))
    folder = tmp_path / "claims"
    (folder / "c3.json").write_text(json.dumps({"id": "../c3"}))
    (folder / "d4.json").write_text((folder / "a1.json").read_text())  # another's name
    (folder / "e5.json").write_text('{"id": "e5", "con')
    (folder / "f6.json").write_text("[]")
    assert claims.load() == [CLAIM]
    assert [path.name for path in folder.iterdir()] == ["a1.json"]
    claims.remove("a1")
    assert claims.load() == []


def test_a_clients_file_that_cannot_be_read_shuts_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "clients.json"
    users = BrokerUsers(path)
    token = users.add("team-a")
    assert users.by_token(token).name == "team-a"
    for broken in ('{"team-a": ', "[1]", '{"team-a": {"other": 1}}', '"team-a"'):
        path.write_text(broken)
        assert users.by_token(token).name == "team-a"
    path.write_text("{}")
    with pytest.raises(Unauthenticated):
        users.by_token(token)


@pytest.mark.parametrize(
    "url",
    [
        "http://broker.example.org:8442",
        "http://10.0.0.7:8442",
        "http://127.0.0.1.example.org",
        "ftp://127.0.0.1",
        "unix://host/socket",
        "unix:relative",
        "https://broker.example.org/?token=x",
        "",
    ],
)
def test_an_address_that_would_show_the_token_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"loopback only|must be"):
        BrokerAddress.parse(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8442", "http://[::1]:1", "https://broker.example.org:8443/x/"]
)
def test_an_address(url: str) -> None:
    assert BrokerAddress.parse(url).base == url.rstrip("/")
