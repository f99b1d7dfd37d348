"""Seeds of second factors are not in the database in clear, and nothing but our key opens them."""

import pytest
from allauth.mfa.models import Authenticator
from cryptography.exceptions import InvalidTag

from hubproject.at_rest import decrypt, encrypt
from tests.conftest import is_anywhere
from tests.hubproject.conftest import add_app, signed_in


def test_what_was_encrypted_is_read_again_and_never_looks_the_same():
    first, second = encrypt("seed", purpose="a"), encrypt("seed", purpose="a")
    assert first != second
    assert decrypt(first, purpose="a") == decrypt(second, purpose="a") == "seed"


def test_another_purpose_or_key_or_an_altered_text_is_refused(settings):
    encrypted = encrypt("seed", purpose="a")
    altered = ("B" if encrypted[20] == "A" else "A").join([encrypted[:20], encrypted[21:]])
    for text, purpose in ((encrypted, "b"), (altered, "a")):
        with pytest.raises(InvalidTag):
            decrypt(text, purpose=purpose)
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(InvalidTag):
        decrypt(encrypted, purpose="a")


@pytest.mark.django_db
def test_no_row_holds_the_seed_of_an_app_or_a_recovery_code(ada):
    seed, codes = add_app(signed_in(ada))
    assert Authenticator.objects.filter(user=ada).exists()
    assert codes
    for secret in (seed, *codes):
        assert not is_anywhere(secret)
