"""Patient management's wiring."""

from clinic_lib.service import Service
from services.clinic import contracts
from services.clinic.patient_management import domain

service = Service("patient_management", system="clinic")

service.projection(domain.register)
service.projection(domain.follow)
service.view(
    domain.PatientManagement,
    covers=(
        contracts.ReceptionRegistered,
        contracts.ReceptionCancelled,
        contracts.DiagnosisOpened,
        contracts.DiagnosisUpdated,
        contracts.DiagnosisCompleted,
        contracts.DiagnosisRejected,
        contracts.DiagnosisCancelled,
        contracts.ExaminationPrescribed,
    ),
)
service.query("/patientManagements", domain.PatientManagement, view=domain.PatientManagementView)
service.gauge(domain.PatientManagement.status)

app = service.asgi()
