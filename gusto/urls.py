"""Addresses of the gusto floor. Gusto knows `webhook` and `callback` by heart: renaming one breaks every installation."""

from django.urls import path

from gusto.connect import callback, connect, disconnect
from gusto.webhook import webhook

app_name = "gusto"
urlpatterns = [
    path("webhook", webhook, name="webhook"),
    path("callback", callback, name="callback"),
    path("connect/<int:legal_entity_id>/", connect, name="connect"),
    path("disconnect/<int:legal_entity_id>/", disconnect, name="disconnect"),
]
