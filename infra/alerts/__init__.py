"""When somebody is told: alerts from the services' objectives and from what must never last."""
