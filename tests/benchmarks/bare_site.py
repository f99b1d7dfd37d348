"""A trivial DRF view and one durable commit: what no register on this server can cost less than."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from django.db import connection, transaction
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class BareView(APIView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO bare (given) VALUES (%s)", [str(request.data)])
        return Response({"success": True}, status=201)


urlpatterns = [path("", BareView.as_view())]
with connection.cursor() as _cursor:
    _cursor.execute("CREATE TABLE IF NOT EXISTS bare (given text)")
connection.close()
