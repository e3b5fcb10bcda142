"""What happens to tenants' things, told upwards. Sent inside the tenant's scope and its transaction."""

from django.dispatch import Signal

#: connection_id: a connection that was broken works again.
connection_healed = Signal()
