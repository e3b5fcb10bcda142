"""Coming in: an invitation works once and for seven days, for a new person and for one who is here already; signing up
founds a tenant only where the installation allows it.
"""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from connector_site import invitations
from tenants.models import Invitation, Membership, Tenant, User
from tenants.scope import tenant_scope
from tests.conftest import sign_in
from tests.connector_site.test_sign_in import HOME, PASSWORD, text_of

INVITE = "/console/settings/members/invite/"
GIVEN = {"email": "nina@example.com", "roles": ["preparer", "auditor"], "may_see_pay": "on"}
NEW = {"username": "nina", "password": "a password of my own"}


@pytest.fixture
def as_alice(alice, client, settings) -> Client:
    settings.HAS_MAIL = True
    sign_in(client, alice)
    return client


def link_of_mail() -> str:
    """The path of the link in the last mail."""
    body = str(mail.outbox[-1].body)
    return re.search(r"https?://[^/]+(/account/invitation/\S+)", body).group(1)


def invited(client: Client, **changes: object) -> str:
    answer = client.post(INVITE, {**GIVEN, **changes}, follow=True)
    assert "An invitation is on its way to" in text_of(answer)
    return link_of_mail()


def entries(tenant: Tenant) -> list[tuple[str, str]]:
    with tenant_scope(tenant.id):
        return list(AuditEntry.objects.order_by("number").values_list("action", "actor"))


def test_a_new_person_comes_in_and_the_link_is_spent(tenant, as_alice, capsys):
    path = invited(as_alice)
    (message,) = mail.outbox
    assert message.to == ["nina@example.com"]
    assert message.subject == "Acme Bakery: you are invited"
    assert "alice invites you to Acme Bakery as auditor, preparer." in message.body
    nina = Client()
    assert "You are invited to Acme Bakery" in text_of(nina.get(path))
    weak = nina.post(path, {"username": "alice", "password": "short"})
    said = text_of(weak)
    assert "Somebody here has this user name already. Choose another one." in said
    assert "too short" in said
    assert 'value="alice"' in weak.content.decode(), "what was typed stays"
    answer = nina.post(path, NEW)
    assert (answer.status_code, answer["Location"]) == (302, HOME)
    assert nina.get(HOME).status_code == 200
    member = Membership.objects.get(user__username="nina")
    assert (member.tenant, member.roles, member.may_see_pay) == (tenant, ["auditor", "preparer"], True)
    assert member.user.email == "nina@example.com"
    assert [entry for entry in entries(tenant) if entry[0] in {"invitation.sent", "membership.created"}] == [
        ("invitation.sent", "alice"),
        ("membership.created", "nina"),
    ]
    again = Client().get(path)
    assert again.status_code == 410
    assert "This invitation was used before. It works once. Whoever invited you can send a new one." in text_of(again)
    token = path.rstrip("/").rpartition("/")[2]
    assert token not in str(list(Invitation.objects.values())), "only its digest is stored"
    assert token not in capsys.readouterr().err, "and the log does not know it"


def test_somebody_who_is_here_already_accepts_and_switches(tenant, charlie, as_alice):
    path = invited(as_alice, email="charlie@example.com")
    visitor = Client()
    page = visitor.get(path)
    assert "Somebody signs in here with this mail address already." in text_of(page)
    assert visitor.post(path, NEW).status_code == 200
    assert not User.objects.filter(username="nina").exists(), "no second person for one mail address"
    visitor.post(reverse("account_login"), {"login": "charlie", "password": PASSWORD, "next": path})
    assert "Accept as charlie" in text_of(visitor.get(path))
    home = text_of(visitor.post(path, follow=True))
    assert "You are a member of Acme Bakery as Auditor, Preparer." in home
    assert "Borealis Tools" in home, "the other tenant is offered in the switch"


def test_a_member_keeps_the_roles_they_have(tenant, dana, as_alice):
    path = invited(as_alice, email="another@example.com", roles=["auditor"])
    visitor = Client()
    sign_in(visitor, dana)
    visitor.post(path)
    assert dana.memberships.get().roles == ["approver"]


def test_it_runs_out_and_can_be_withdrawn(tenant, as_alice):
    path = invited(as_alice)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert "This invitation ran out on" in text_of(Client().get(path))
    assert Client().post(path, NEW).status_code == 410
    path = invited(as_alice)
    invitation = Invitation.objects.latest("pk")
    assert "nina@example.com" in text_of(as_alice.get("/console/settings/members/"))
    as_alice.post(reverse("admin:settings_invitation_withdraw", args=[invitation.pk]))
    assert "This invitation was withdrawn, or the link is not whole." in text_of(Client().get(path))
    assert not User.objects.filter(username="nina").exists()
    assert entries(tenant)[-1] == ("invitation.withdrawn", "alice")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"email": ""}, "A mail address is missing."),
        ({"email": "nina"}, "This is no mail address. Example: ana@example.com."),
        ({"roles": []}, "Choose at least one role."),
        ({"email": "alice@example.com"}, "Somebody with this mail address is a member already."),
    ],
)
def test_a_wrong_form_invites_nobody(as_alice, changes, sentence):
    answer = as_alice.post(INVITE, {**GIVEN, **changes})
    assert sentence in text_of(answer)
    assert mail.outbox == []
    assert not Invitation.objects.exists()


def test_nobody_is_invited_twice_at_once(as_alice):
    invited(as_alice)
    assert "has an open invitation. Withdraw it first" in text_of(as_alice.post(INVITE, GIVEN))
    assert len(mail.outbox) == 1


def test_a_mail_server_that_is_away_invites_nobody(tenant, as_alice, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    answer = as_alice.post(INVITE, GIVEN)
    assert "The mail server did not take the mail to nina@example.com, so nobody was invited." in text_of(answer)
    assert 'value="nina@example.com"' in answer.content.decode()
    assert not Invitation.objects.exists()


def test_without_mail_the_link_is_shown_once(tenant, as_alice, settings):
    settings.HAS_MAIL = False
    page = as_alice.post(INVITE, GIVEN).content.decode()
    assert "This installation sends no mail." in page
    path = re.search(r"(/account/invitation/[\w-]+/)", page).group(1)
    assert mail.outbox == []
    assert path not in as_alice.get("/console/settings/members/").content.decode()
    assert Client().post(path, NEW).status_code == 302


def test_of_two_who_accept_at_once_one_becomes_a_member(transactional_db, tenant, alice):
    with tenant_scope(tenant.id):
        link = invitations.invite(tenant, "nina@example.com", ["auditor"], may_see_pay=False, by=alice)
    token = link.rstrip("/").rpartition("/")[2]
    people = [User.objects.create_user(name) for name in ("nina", "nora")]
    start, said = threading.Barrier(2), []

    def try_it(user: User) -> None:
        start.wait()
        try:
            invitations.accept(token, user)
            said.append("accepted")
        except invitations.NotOpen as refused:
            said.append(str(refused))
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it, args=[user]) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["This invitation was used before. It works once.", "accepted"]
    assert Membership.objects.filter(user__in=people).count() == 1


class TestSignUp:
    GIVEN = {"tenant_name": "Cedar Mills", "email": "sam@cedar.example"}

    def test_it_is_closed_unless_the_installation_allows_it(self, db, client):
        answer = client.post(reverse("account_signup"), self.GIVEN)
        assert answer.status_code == 403
        assert "This installation lets nobody sign up by themselves." in text_of(answer)
        assert not Invitation.objects.exists()
        assert "Set up your company" not in text_of(client.get(reverse("account_login")))

    def test_a_proven_mail_address_founds_a_tenant(self, db, client, settings):
        settings.SIGN_UP_ALLOWED = settings.HAS_MAIL = True
        assert "Set up your company" in text_of(client.get(reverse("account_login")))
        Tenant.objects.create(name="Other mills", slug="cedar-mills")
        said = text_of(client.post(reverse("account_signup"), self.GIVEN))
        assert "A link is on its way to sam@cedar.example." in said
        assert not Tenant.objects.filter(name="Cedar Mills").exists(), "nothing exists before the link is opened"
        path = link_of_mail()
        assert "Set up Cedar Mills" in text_of(client.get(path))
        client.post(path, {"username": "sam", "password": "a password of my own"})
        tenant = Tenant.objects.get(name="Cedar Mills")
        assert tenant.slug.startswith("cedar-mills-")
        assert Membership.objects.get(tenant=tenant).roles == ["owner", "preparer"]
        assert [action for action, _ in entries(tenant)] == ["tenant.created", "membership.created"]
        assert "Cedar Mills" in text_of(client.get(HOME))

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"tenant_name": " "}, "The name of your company is missing."),
            ({"email": "sam"}, "This is no mail address. Example: ana@example.com."),
        ],
    )
    def test_a_wrong_form_is_told_so(self, db, client, settings, changes, sentence):
        settings.SIGN_UP_ALLOWED = settings.HAS_MAIL = True
        answer = client.post(reverse("account_signup"), {**self.GIVEN, **changes})
        assert sentence in text_of(answer)
        assert mail.outbox == []
