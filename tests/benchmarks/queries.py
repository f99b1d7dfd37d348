"""Prints, as JSON, how many queries each page and list asks, and the session of an admin who may see them."""

import json
import sys

import django

django.setup()

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hubproject.accounts import create_user
from hubproject.audit import Caller
from hubproject.models import Role

NAME, PASSWORD = "benchmark", "correct horse battery"


def main(paths: list[str]) -> None:
    if not User.objects.filter(username=NAME).exists():
        by = Caller("root", "192.0.2.1")
        create_user(username=NAME, password=PASSWORD, role=Role("admin"), by=by, now=timezone.now())
    client = Client(HTTP_HOST="localhost")
    client.post("/account/sign-in", {"login": NAME, "password": PASSWORD})
    counts = {}
    for path in paths:
        client.get(path)  # whatever is looked up once a process
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200, path
        counts[path] = len(queries)
    print(json.dumps({"session": client.cookies["sessionid"].value, "queries": counts}))


if __name__ == "__main__":
    main(json.load(sys.stdin))
