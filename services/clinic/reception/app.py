"""The reception's wiring."""

from clinic_lib.service import Service
from services.clinic.contracts import visit
from services.clinic.reception import domain

service = Service("reception", system="clinic")

service.saga(visit)
service.waive(
    "deadline-undecided", visit, reason="the receptionist asks the patient, then cancels or lets it go on"
)
register = service.command("POST", "/receptions")(domain.register)
service.command("POST", "/receptions/{reception_id}/cancellation")(domain.cancel)
service.step(domain.treat)
service.step(domain.complete)
service.compensation(register)(domain.cancel_rejected)
service.query("/receptions", domain.Reception, view=domain.ReceptionView)

app = service.asgi()
