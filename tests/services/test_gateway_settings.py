"""Which service owns a path, and what wrong settings are answered."""

import pytest

from clinic_lib.errors import ConfigurationError
from clinic_lib.settings import load_settings
from services.gateway.settings import GatewaySettings

ROUTES = '{"/a": "http://one:1", "/a/b": "http://two:2"}'


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("/a", "/a"), ("/a/", "/a"), ("/a/c/b", "/a"), ("/a/b", "/a/b"), ("/a/b/c", "/a/b"), ("/a/bc", "/a")],
)
def test_the_longest_prefix_of_whole_segments_wins(
    monkeypatch: pytest.MonkeyPatch, path: str, prefix: str
) -> None:
    monkeypatch.setenv("GATEWAY_ROUTES", ROUTES)

    target = load_settings(GatewaySettings).target(path)

    assert target is not None
    assert target[0] == prefix


@pytest.mark.parametrize("path", ["", "/", "/ab", "//a", "/A", "/x/a"])
def test_other_paths_have_no_service(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("GATEWAY_ROUTES", ROUTES)

    assert load_settings(GatewaySettings).target(path) is None


@pytest.mark.parametrize(
    "routes", [None, "", "not json", "[]", "{}", '{"receptions": "http://x"}', '{"/a": "ftp://x"}']
)
def test_wrong_settings_are_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, routes: str | None
) -> None:
    monkeypatch.delenv("GATEWAY_ROUTES", raising=False)
    if routes is not None:
        monkeypatch.setenv("GATEWAY_ROUTES", routes)

    with pytest.raises(ConfigurationError, match="wrong settings in the environment: GATEWAY_ROUTES"):
        load_settings(GatewaySettings)
