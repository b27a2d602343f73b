"""Settings that cannot work are refused, by name and without showing them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from knhk_http import HttpSettings

GOOD: dict[str, object] = {"base_url": "https://api.example.com/v1"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"base_url": "api.example.com"}, "must be a URL such as"),
        ({"base_url": "ftp://api.example.com"}, "must be a URL such as"),
        ({"base_url": "http://"}, "must be a URL such as"),
        ({"base_url": "http://[::1"}, "must be a URL such as"),
        ({"base_url": "https://ada:hunter22@api.example.com"}, "must not hold a password"),
        ({"base_url": "https://api.example.com/?a=1"}, "must end before"),
        ({"timeout": "PT0S"}, "must be longer than 0s"),
        ({"username": "ada"}, "username and password go together"),
        ({"password": "hunter22"}, "username and password go together"),
        ({"username": "a:b", "password": "hunter22"}, "must not hold a colon"),
        ({"username": "ada", "password": "hunter22", "bearer": "x"}, "give either bearer"),
        ({"headers": {"X-Key": "hunter22\n"}}, "header 'X-Key': must be printable ASCII"),
        ({"bearer": "hunter22\r\nX: 1"}, "header 'Authorization': must be printable ASCII"),
        ({"connections_max": 0}, "greater than or equal to 1"),
        ({"base": "x"}, "not permitted"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpSettings.model_validate({**GOOD, **changed})

    (problem,) = caught.value.errors(include_input=False)
    assert why in problem["msg"]
    assert "Value error" not in problem["msg"]
    assert "hunter22" not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    settings = HttpSettings.model_validate(GOOD)

    with pytest.raises(ValidationError, match="frozen"):
        settings.base_url = "http://elsewhere.example"  # type: ignore[misc]
