"""A wrong or missing setting stops the start with a sentence; the page in the docs knows every setting."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from connector_site import settings as module
from tests.connector_site.conftest import ROOT

GOOD = {
    "DATABASE_URL": "postgresql://mlc@localhost/mlc",
    "SECRET_KEY": "a key that is long enough to be accepted",
    "FIELD_ENCRYPTION_KEYS": "bm90aGluZyBpcyBlbmNyeXB0ZWQgZm9yIGEgaGVscCE=",
    "MLC_PUBLIC_URL": "https://payroll.example.com",
}


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    """`manage.py diffsettings`, which reads the settings and nothing else."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **GOOD, **changes}
    env = {name: value for name, value in env.items() if value != "(unset)"}
    return subprocess.run(
        [sys.executable, "manage.py", "diffsettings"], cwd=ROOT, env=env, text=True, capture_output=True, timeout=60
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SECRET_KEY": "(unset)"}, "SECRET_KEY is not set."),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is shorter than 32 characters."),
        ({"FIELD_ENCRYPTION_KEYS": ""}, "FIELD_ENCRYPTION_KEYS is not set."),
        ({"FIELD_ENCRYPTION_KEYS": "abc"}, "FIELD_ENCRYPTION_KEYS holds a key that is not a Fernet key."),
        ({"MLC_PUBLIC_URL": "(unset)"}, "MLC_PUBLIC_URL is not set."),
        ({"MLC_PUBLIC_URL": "payroll.example.com"}, "it must be like https://payroll.example.com"),
        ({"MLC_PUBLIC_URL": "https://payroll.example.com/console"}, "it must be like https://payroll.example.com"),
        ({"MLC_PUBLIC_URL": "http://payroll.example.com"}, "MLC_PUBLIC_URL must start with https://"),
        ({"DATABASE_URL": "sqlite:///db.sqlite3"}, "DATABASE_URL must name a PostgreSQL database"),
        ({"DATABASE_URL": "postgresql://mlc:hunter2@host:port/mlc"}, "DATABASE_URL cannot be read."),
        ({"MIGRATE_DATABASE_URL": "mysql://x/y"}, "MIGRATE_DATABASE_URL must name a PostgreSQL database"),
        ({"MLC_SANDBOX": "maybe"}, "MLC_SANDBOX is “maybe”; it must be 1 or 0."),
        ({"MLC_WORKERS": "0"}, "MLC_WORKERS is “0”; it must be a whole number from 1 to 64."),
        ({"MLC_WEB_THREADS": "many"}, "MLC_WEB_THREADS is “many”"),
        ({"MLC_CA_BUNDLE": "/no/such/file"}, "MLC_CA_BUNDLE names /no/such/file, which is not a file."),
        ({"EMAIL_URL": "mail.example.com:25"}, "EMAIL_URL cannot be read. It must be like smtp+tls://"),
        ({"EMAIL_URL": "pigeon://user:hunter2@host"}, "EMAIL_URL cannot be read."),
        ({"MLC_SIGN_UP": "1"}, "MLC_SIGN_UP=1 needs EMAIL_URL: whoever signs up proves a mail address."),
        ({"MLC_SESSION_HOURS": "0"}, "MLC_SESSION_HOURS is “0”; it must be a whole number from 1 to 168."),
        ({"MLC_SESSION_IDLE_MINUTES": "1"}, "MLC_SESSION_IDLE_MINUTES is “1”"),
        ({"SECRET_KEY_FILE": "/no/such/file"}, "SECRET_KEY_FILE names /no/such/file, which cannot be read"),
        ({"MLC_LOG_LEVEL": "LOUD"}, "MLC_LOG_LEVEL"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(changes, sentence):
    done = start(**changes)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_good_settings_start():
    assert start().returncode == 0
    assert start(MLC_PUBLIC_URL="http://127.0.0.1:8000", MLC_SANDBOX="1").returncode == 0


def test_a_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "key").write_text("a key from a file that is long enough\n")
    assert start(SECRET_KEY="(unset)", SECRET_KEY_FILE=str(tmp_path / "key")).returncode == 0


def test_the_page_knows_every_setting_and_no_other():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    named = set(re.findall(r"^\| `([A-Z_]+)`", page, re.MULTILINE))
    assert named == module.KNOWN | {"MLC_DATA", "MLC_DEMO"}


def test_the_example_names_only_settings_that_exist():
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == module.KNOWN - {"SECRET_KEY_FALLBACKS"}
