"""Adding a spoke in the dashboard: the form, the command that is shown once, and what a repeat of it does."""

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from hubproject.accounts import create_user
from hubproject.models import AuditEvent, Role
from tests.conftest import BY_TEST, NOW, claim, is_anywhere, issue
from tokens.forms import MOST_AT_ONCE
from tokens.models import InstallationToken, State

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hub")]

ADD, SEVERAL = "/admin/add-spoke", "/admin/add-spoke/several"
SECRET = re.compile(r"/api/installation/script/([A-Za-z0-9_-]{43})\?")


def somebody(role: Role) -> Client:
    client = Client()
    client.force_login(
        create_user(username=role.value, password="correct horse battery", role=role, by=BY_TEST, now=NOW)
    )
    return client


@pytest.fixture
def operating() -> Client:
    return somebody(Role.OPERATOR)


@pytest.fixture
def viewing() -> Client:
    return somebody(Role.VIEWER)


def text_of(answer) -> str:
    return unescape(answer.content.decode())


def form(**changes):
    return {"form_id": uuid4(), "name": "laptop-114", "platform": "linux", "hours": "24", "address": "", **changes}


def add(client: Client, **changes):
    return client.post(ADD, form(**changes))


def secrets_in(answer) -> set[str]:
    return set(SECRET.findall(text_of(answer)))


def error_beside(answer, field: str) -> str:
    found = re.search(rf'id="id_{field}_error".*?<p>(.*?)</p>', text_of(answer), re.DOTALL)
    assert found, f"no error beside {field}"
    return found[1]


# --- One machine --------------------------------------------------------------------------------------------------


def test_a_name_is_all_it_takes_and_the_command_is_on_the_page(operating):
    answer = add(operating)
    (secret,) = secrets_in(answer)
    assert "Install laptop-114" in text_of(answer)
    assert (
        f"curl -fsS --proto '=https' 'https://hub.example.com/api/installation/script/{secret}?platform=linux' | sh"
        in (text_of(answer))
    )
    assert "sha256sum -c" in text_of(answer)
    row = InstallationToken.objects.get()
    assert (row.spoke_name, row.address, row.platform, row.issued_by) == ("laptop-114", "10.0.1.2", "linux", "operator")


@pytest.mark.parametrize("is_so", [True, False])
def test_it_is_said_when_no_other_machine_can_use_the_command(operating, settings, is_so):
    settings.ONLY_THIS_MACHINE_REACHES_US = is_so
    several = operating.post(SEVERAL, {"form_id": uuid4(), "names": "one\ntwo", "platform": "linux", "hours": "24"})
    for answer in (add(operating), several):
        assert secrets_in(answer)
        assert ("Only the hub itself reaches https://hub.example.com" in text_of(answer)) is is_so


def test_each_platform_has_its_own_checked_command_beside_it(operating):
    panes = text_of(add(operating)).split('<div class="pane">')[1:]
    assert [re.findall(r'id="(command|checked)-(\w+)"', pane) for pane in panes] == [
        [("command", name), ("checked", name)] for name in ("linux", "macos", "windows", "proxmox")
    ]


def test_the_secret_is_on_that_page_alone_and_kept_nowhere(operating):
    answer = add(operating)
    (secret,) = secrets_in(answer)
    assert "no-store" in answer["Cache-Control"]
    assert not is_anywhere(secret)
    assert secret not in str(dict(operating.session))
    row = InstallationToken.objects.get()
    for page in (f"/admin/tokens/installationtoken/{row.pk}/change/", "/admin/tokens/installationtoken/", "/admin/"):
        assert secret not in text_of(operating.get(page))


def test_the_same_form_sent_twice_issues_once(operating):
    sent = form()
    first = operating.post(ADD, sent)
    again = operating.post(ADD, sent, follow=True)
    assert len(secrets_in(first)) == 1
    assert not secrets_in(again)
    assert "Reissue it to get a new one" in text_of(again)
    assert again.redirect_chain[0][0].endswith(f"/{InstallationToken.objects.get().pk}/change/")
    assert AuditEvent.objects.filter(event="token.issued").count() == 1


def test_a_repeat_does_not_count_against_the_limit(operating, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 2
    sent = form()
    for _ in range(4):
        operating.post(ADD, sent)
    assert secrets_in(add(operating, name="another"))


def test_the_form_taken_back_and_sent_with_another_name_is_another_machine(operating):
    sent = form()
    operating.post(ADD, sent)
    assert secrets_in(operating.post(ADD, {**sent, "name": "laptop-115"}))
    assert InstallationToken.objects.count() == 2


def test_a_form_opened_anew_does_not_repeat_an_earlier_one(operating):
    ids = {re.search(r'name="form_id" value="([^"]+)"', text_of(operating.get(ADD)))[1] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": ""}, "name", "Give the machine a name."),
        ({"name": "two words"}, "name", "Must be 1 to 63 letters"),
        ({"name": "x" * 64}, "name", "Must be 1 to 63 letters"),
        ({"name": "<script>alert(1)</script>"}, "name", "Must be 1 to 63 letters"),
        ({"address": "10.0.2.9"}, "address", "10.0.2.9 is outside 10.0.1.0/24. Leave this empty to take 10.0.1.3."),
        ({"address": "10.0.1.1"}, "address", "10.0.1.1 is the hub's own address."),
        ({"address": "nonsense"}, "address", "Must be an IPv4 address"),
        ({"address": "10.0.1.2"}, "address", "10.0.1.2 belongs to taken. Leave this empty to take 10.0.1.3."),
        ({"name": "Taken"}, "name", "Taken is already the name of an open install command"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(operating, changes, field, said):
    issue("taken")
    answer = add(operating, **changes)
    assert error_beside(answer, field).startswith(said)
    typed = next(iter(changes.values()))
    assert f'value="{typed}"' in text_of(answer) or not typed
    assert b"<script>alert" not in answer.content
    assert InstallationToken.objects.count() == 1


@pytest.mark.parametrize(
    "changes", [{"hours": "999"}, {"hours": "x"}, {"platform": "plan9"}, {"form_id": "x"}, {"form_id": ""}]
)
def test_what_the_form_does_not_offer_issues_nothing(operating, changes):
    answer = add(operating, **changes)
    assert answer.status_code == 200
    assert not secrets_in(answer)
    assert not InstallationToken.objects.exists()


def test_a_full_pool_says_what_frees_an_address(small_pool, operating):
    answer = add(operating)
    assert error_beside(answer, "address").startswith("No address is free.")


@pytest.fixture
def small_pool(hub):
    type(hub).objects.update(network_cidr="10.0.1.0/30")
    issue("only")


def test_the_limit_is_told_with_the_setting_that_raises_it(operating, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 1
    add(operating, name="first")
    said = text_of(add(operating, name="second"))
    assert "1 install commands were issued in the last hour." in said
    assert "RATE_LIMIT_MAX_TOKENS_PER_HOUR" in said
    assert 'value="second"' in said


def test_the_address_tells_the_form_what_to_fill_in(operating):
    page = text_of(operating.get(f"{ADD}?name=pve2.dc2&platform=linux&ip=10.0.1.9"))
    assert 'value="pve2.dc2"' in page
    assert 'value="10.0.1.9"' in page


def test_enrol_this_node_is_handed_on_to_the_token(operating):
    cluster = uuid4()
    page = text_of(operating.get(f"{ADD}?name=pve2&cluster={cluster}&node=pve2.dc2"))
    assert "Node pve2.dc2" in page
    add(operating, cluster=cluster, node="pve2.dc2")
    row = InstallationToken.objects.get()
    assert (row.expected_cluster, row.expected_node) == (cluster, "pve2.dc2")


@pytest.mark.parametrize(
    "query", ["?name=%3Cscript%3Ealert(1)%3C/script%3E", "?ip=%22%3E%3Cb%3E", "?cluster=x&node=%3Cb%3E"]
)
def test_a_hostile_link_fills_in_text_and_nothing_else(operating, query):
    page = operating.get(ADD + query)
    assert page.status_code == 200
    assert b"<script>alert" not in page.content
    assert b'<b>"' not in page.content


def test_the_validity_is_kept(operating):
    add(operating, hours="1")
    assert InstallationToken.objects.get().expires_at == NOW + timedelta(hours=1)


def test_the_form_tells_which_address_comes_next(operating):
    issue("first")
    assert "Leave this empty to take 10.0.1.3." in text_of(operating.get(ADD))


# --- Who may ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ADD, SEVERAL])
def test_a_viewer_is_refused_whatever_he_sends(viewing, path):
    assert viewing.get(path).status_code == 403
    assert viewing.post(path, form(names="a b")).status_code == 403
    assert not InstallationToken.objects.exists()


@pytest.mark.parametrize("act", ["reissue", "revoke"])
def test_a_viewer_neither_reissues_nor_revokes(viewing, act):
    row = issue().row
    page = text_of(viewing.get(f"/admin/tokens/installationtoken/{row.pk}/change/"))
    assert "Install alpha" in page
    assert not re.search(r"<button[^>]*form=|Revoke|Reissue</", page)
    for ask in (viewing.get, viewing.post):
        assert ask(f"{ADD}/{row.pk}/{act}").status_code == 403
    row.refresh_from_db()
    assert row.state == State.ISSUED
    assert InstallationToken.objects.count() == 1


@pytest.mark.parametrize("path", [ADD, SEVERAL, f"{ADD}/progress"])
def test_who_is_not_signed_in_is_led_to_do_so(anonymous, path):
    led = anonymous.get(path, follow=True).redirect_chain
    assert led[-1][0] == f"/account/sign-in?next={path}"


def test_each_change_needs_the_token_of_its_form(operating):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    row = issue().row
    for path in (ADD, SEVERAL, f"{ADD}/{row.pk}/reissue", f"{ADD}/{row.pk}/revoke"):
        assert strict.post(path, form(names="a b")).status_code == 403
    assert InstallationToken.objects.count() == 1


# --- Reissue and revoke -------------------------------------------------------------------------------------------


def test_reissue_shows_a_new_command_for_the_same_name_and_address(operating):
    old = issue()
    claim(old)
    answer = operating.post(f"{ADD}/{old.row.pk}/reissue")
    (secret,) = secrets_in(answer)
    assert secret != old.secret
    assert "Install alpha" in text_of(answer)
    new = InstallationToken.objects.get(state=State.ISSUED)
    assert (new.spoke_id, new.address, new.issued_by) == (old.row.spoke_id, old.row.address, "operator")


def test_the_same_reissue_sent_twice_makes_one_new_command(operating):
    old = issue()
    first = operating.post(f"{ADD}/{old.row.pk}/reissue")
    again = operating.post(f"{ADD}/{old.row.pk}/reissue", follow=True)
    assert len(secrets_in(first)) == 1
    assert not secrets_in(again)
    assert "Reissue it to get a new one" in text_of(again)
    assert InstallationToken.objects.count() == 2


def test_looking_at_the_address_of_reissue_reissues_nothing(operating):
    row = issue().row
    assert operating.get(f"{ADD}/{row.pk}/reissue").status_code == 302
    assert InstallationToken.objects.count() == 1


def test_what_cannot_be_reissued_says_why(operating):
    issued = issue()
    InstallationToken.objects.update(state=State.REDEEMED)
    said = text_of(operating.post(f"{ADD}/{issued.row.pk}/reissue", follow=True))
    assert "a new token for the same spoke would be a second machine" in said


def test_revoke_asks_and_a_post_does_it(operating):
    row = issue().row
    asked = text_of(operating.get(f"{ADD}/{row.pk}/revoke"))
    assert "Revoke the command of alpha?" in asked
    row.refresh_from_db()
    assert row.state == State.ISSUED
    done = operating.post(f"{ADD}/{row.pk}/revoke", follow=True)
    assert "works no more" in text_of(done)
    row.refresh_from_db()
    assert row.state == State.REVOKED


def test_there_is_no_page_for_a_token_that_is_not_there(operating):
    for path in (f"{ADD}/{uuid4()}/reissue", f"{ADD}/{uuid4()}/revoke"):
        assert operating.post(path).status_code == 404
    for name in (str(uuid4()), "x", "1"):
        assert operating.get(f"/admin/tokens/installationtoken/{name}/change/").status_code == 404


# --- Several at once ----------------------------------------------------------------------------------------------


def add_several(client: Client, names: str, **changes):
    return client.post(SEVERAL, form(names=names, **changes))


def test_a_list_of_names_gives_a_table_of_commands(operating):
    answer = add_several(operating, "pve1.dc3\npve2.dc3, pve3.dc3;\n\n")
    assert len(secrets_in(answer)) == 3
    assert {row.spoke_name: row.address for row in InstallationToken.objects.all()} == {
        "pve1.dc3": "10.0.1.2",
        "pve2.dc3": "10.0.1.3",
        "pve3.dc3": "10.0.1.4",
    }
    assert "no-store" in answer["Cache-Control"]


def test_the_same_list_sent_twice_issues_once(operating):
    sent = form(names="one two")
    assert len(secrets_in(operating.post(SEVERAL, sent))) == 2
    again = operating.post(SEVERAL, sent, follow=True)
    assert not secrets_in(again)
    assert "shown when it was issued, and only then" in text_of(again)
    assert InstallationToken.objects.count() == 2


def test_one_wrong_name_issues_none_and_every_wrong_one_is_told(operating):
    issue("taken")
    answer = add_several(operating, "good\ntaken\n!bad")
    said = error_beside(answer, "names")
    assert "taken: taken is already the name of an open install command" in said
    assert "!bad: Must be 1 to 63 letters" in said
    assert "good" not in said
    assert "good\ntaken\n!bad" in text_of(answer).replace("\r", "")
    assert InstallationToken.objects.count() == 1
    assert not AuditEvent.objects.filter(object__startswith="good").exists()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("", "Give at least one name."),
        ("one ONE two", "Named more than once: ONE, one."),
        (" ".join(f"n{number}" for number in range(MOST_AT_ONCE + 1)), f"{MOST_AT_ONCE} can be added at once."),
    ],
)
def test_a_list_that_makes_no_sense_is_told_so(operating, names, said):
    assert said in error_beside(add_several(operating, names), "names")
    assert not InstallationToken.objects.exists()


def test_a_pool_too_small_for_all_gives_none(operating, hub):
    type(hub).objects.update(network_cidr="10.0.1.0/29")
    answer = add_several(operating, " ".join(f"n{number}" for number in range(7)))
    assert "No address is free." in error_beside(answer, "names")
    assert not InstallationToken.objects.exists()


def test_a_list_beyond_the_limit_issues_none_and_uses_up_nothing(operating, settings):
    settings.RATE_LIMIT_MAX_TOKENS_PER_HOUR = 3
    assert "Only 3 more install commands can be issued before" in text_of(add_several(operating, "a b c d"))
    assert not InstallationToken.objects.exists()
    assert len(secrets_in(add_several(operating, "a b c"))) == 3
    assert "3 install commands were issued in the last hour." in text_of(add_several(operating, "d"))
