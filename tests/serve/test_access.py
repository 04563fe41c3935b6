"""Who is let in: by which name, from which page, with which token."""

from __future__ import annotations

import pytest

from pixelwise.errors import SettingError
from pixelwise.inference import Predictor
from pixelwise.serve import Access, create_app
from pixelwise.serve.access import is_loopback

from .conftest import Caller, drawn, encoded, problem_of

TOKEN = "correct horse"


@pytest.fixture
def guarded(predictor: Predictor) -> Caller:
    return Caller(create_app({"first": predictor}, access=Access(TOKEN, cors=("https://ok.example",))))


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "10.0.0.7", "[fe80::1]"])
def test_addresses_and_localhost_are_names_of_every_server(call: Caller, host: str) -> None:
    assert call.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "localhost.evil.example", "", "[::1"])
def test_other_names_are_refused_everywhere(call: Caller, host: str) -> None:
    for path in ("/v1/models", "/", "/healthz", "/metrics"):
        if host == "[::1":
            continue
        problem_of(call.get(path, headers={"host": host}), 421, "hostname")


def test_a_server_is_told_its_names(predictor: Predictor) -> None:
    call = Caller(create_app({"first": predictor}, access=Access(hostname=("Seg.Example",))))
    assert call.get("/v1/models", headers={"host": "seg.example:443"}).status_code == 200
    problem_of(call.get("/v1/models", headers={"host": "other.example"}), 421, "hostname")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_elsewhere_may_not_write(call: Caller, headers: dict[str, str]) -> None:
    problem_of(call.predict(encoded(drawn()), headers=headers), 403, "cors")


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}]
)
def test_our_own_page_and_programs_may(call: Caller, headers: dict[str, str]) -> None:
    assert call.predict(encoded(drawn()), headers=headers).status_code == 200


def test_an_origin_that_was_named_may_write_and_read(predictor: Predictor) -> None:
    call = Caller(create_app({"first": predictor}, access=Access(cors=("https://ok.example",))))
    allowed = call.predict(encoded(drawn()), headers={"origin": "https://ok.example"})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://ok.example"
    asked = {"origin": "https://ok.example", "access-control-request-method": "POST"}
    assert call.talk(lambda client: client.options("/v1/models/first/predict", headers=asked)).status_code == 200
    other = call.get("/v1/models", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    problem_of(call.predict(encoded(drawn()), headers={"origin": "https://evil.example"}), 403, "cors")


def test_a_token_is_asked_for_wherever_there_is_something_to_see(guarded: Caller) -> None:
    for path in ("/v1/models", "/metrics", "/v1/jobs/x", "/nowhere"):
        refused = guarded.get(path)
        assert problem_of(refused, 401, "token")
        assert refused.headers["www-authenticate"] == "Bearer"
    problem_of(guarded.predict(encoded(drawn())), 401, "token")
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe9"])
def test_a_wrong_token_is_refused(guarded: Caller, given: str) -> None:
    problem_of(guarded.get("/v1/models", headers={"authorization": given.encode()}), 401, "token")


def test_the_right_token_opens_and_counts_for_more_than_the_origin(guarded: Caller) -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/v1/models", headers=bearer).status_code == 200
    assert guarded.predict(encoded(drawn()), headers={**bearer, "origin": "http://evil.example"}).status_code == 200


def test_a_browser_keeps_the_token_as_a_cookie_that_only_our_page_uses(guarded: Caller) -> None:
    import httpx

    async def visit(client: httpx.AsyncClient) -> list[httpx.Response]:
        first = await client.get("/", params={"token": TOKEN})
        again = await client.get("/v1/models")
        own = await client.post("/v1/models/first/predict", content=encoded(drawn()))
        elsewhere = await client.post(
            "/v1/models/first/predict", content=encoded(drawn()), headers={"origin": "http://evil.example"}
        )
        return [first, again, own, elsewhere]

    first, again, own, elsewhere = guarded.talk(visit)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "samesite=strict" in first.headers["set-cookie"].lower()
    assert (again.status_code, own.status_code) == (200, 200)
    problem_of(elsewhere, 403, "cors")
    assert "set-cookie" not in guarded.get("/", params={"token": "wrong"}).headers


@pytest.mark.parametrize("origin", ["*", "example.org", "https://a/b", "file://x", "https://*.example.org"])
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(SettingError, match="cors"):
        Access(cors=(origin,))


def test_a_token_is_a_word() -> None:
    for token in ("", "\n", "ä"):
        with pytest.raises(SettingError, match="token"):
            Access(token)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.9.1", True), ("0.0.0.0", False), ("::", False),
     ("10.1.2.3", False), ("example.org", False)],
)  # fmt: skip
def test_which_addresses_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
