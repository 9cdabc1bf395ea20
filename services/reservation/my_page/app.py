"""My page's wiring."""

from clinic_lib.service import Service
from services.reservation import contracts
from services.reservation.my_page import domain

service = Service("my_page", system="reservation")

service.projection(domain.begin)
service.projection(domain.name_seats)
service.projection(domain.follow)
service.view(
    domain.MyPage,
    covers=(
        contracts.OrderPlaced,
        contracts.SeatsReserved,
        contracts.SeatsRefused,
        contracts.OrderConfirmed,
        contracts.OrderCancelled,
    ),
)
service.query("/myPages", domain.MyPage, view=domain.MyPageView, filters=("customer",))
service.gauge(domain.MyPage.status)

app = service.asgi()
