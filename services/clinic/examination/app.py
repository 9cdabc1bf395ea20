"""The examination's wiring."""

from clinic_lib.service import Service
from services.clinic.examination import domain

service = Service("examination", system="clinic")

create = service.step(domain.create)
service.compensation(create)(domain.withdraw)
service.command("POST", "/examinations/{examination_id}/result")(domain.perform)
service.command("POST", "/examinations/{examination_id}/cancellation")(domain.cancel)
service.query("/examinations", domain.Examination, view=domain.ExaminationView, filters=("reception_id",))

app = service.asgi()
