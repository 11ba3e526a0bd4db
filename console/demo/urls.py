"""URLs of the demo agent's mailbox."""

from django.urls import path

from console.demo import mailbox

app_name = "demo"
urlpatterns = [
    path("demo/mail/", mailbox.mail, name="mailbox"),
]
