"""The diagnosis's wiring."""

from clinic_lib.service import Service
from services.clinic.diagnosis import domain

service = Service("diagnosis", system="clinic")

open_diagnosis = service.step(domain.open_diagnosis)
service.compensation(open_diagnosis)(domain.cancel)
service.command("POST", "/diagnoses/{reception_id}/prescription")(domain.prescribe)
service.command("POST", "/diagnoses/{reception_id}/completion")(domain.complete)
service.command("POST", "/diagnoses/{reception_id}/rejection")(domain.reject)
service.step(domain.note_created)
service.step(domain.note_performed)
service.step(domain.note_cancelled)
service.step(domain.note_withdrawn)
service.query("/diagnoses")(domain.show)

app = service.asgi()
