"""The order's wiring."""

from clinic_lib.service import Service
from services.reservation.contracts import reservation
from services.reservation.order import domain

service = Service("order", system="reservation")

service.saga(reservation, restorable=True)
place = service.command("POST", "/orders")(domain.place)
service.command("POST", "/orders/{order_id}/cancellation")(domain.cancel)
service.step(domain.confirm)
service.step(domain.disown)
service.step(domain.recall)
service.compensation(place)(domain.cancel_refused)
service.deadline(reservation)(domain.expire)
service.query("/orders", domain.Order)

app = service.asgi()
