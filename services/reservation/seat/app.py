"""The seats' wiring."""

from clinic_lib.service import Service
from services.reservation.seat import domain

service = Service("seat", system="reservation")

service.command("POST", "/seats")(domain.create)
reserve = service.step(domain.reserve)
service.compensation(reserve)(domain.release)
service.query("/seats", domain.Seat)

app = service.asgi()
