from pathlib import Path

import pytest

from tinytensor import cache


def cache_folder():
    return Path(cache.cache_folder())


def test_the_environment_chooses(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTENSOR_CACHE", str(tmp_path / "not there"))
    assert cache_folder() == tmp_path / "not there"
    assert not cache_folder().exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYTENSOR_CACHE", "here")
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("TINYTENSOR_CACHE", "~/there")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cache_folder() == tmp_path / "there"


@pytest.mark.parametrize("value", [None, ""])
def test_otherwise_it_is_the_users_cache_folder(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("TINYTENSOR_CACHE", raising=False)
    else:
        monkeypatch.setenv("TINYTENSOR_CACHE", value)
    for platform, variables, expected in (
        ("linux", {"XDG_CACHE_HOME": "/somewhere"}, "/somewhere/tinytensor"),
        ("linux", {"XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/tinytensor"),
        ("darwin", {"HOME": "/home/me"}, "/home/me/Library/Caches/tinytensor"),
        ("win32", {"LOCALAPPDATA": "/data"}, "/data/tinytensor"),
    ):
        monkeypatch.setattr(cache.sys, "platform", platform)
        for name, folder in variables.items():
            monkeypatch.setenv(name, folder)
        assert cache_folder() == Path(expected)


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("TINYTENSOR_CACHE", raising=False)

    monkeypatch.setattr(cache.os.path, "expanduser", lambda path: path)  # which is what it does then
    folder = cache_folder()
    assert folder.is_absolute()
    assert folder.name.startswith("tinytensor-")
