"""The seat reservation: order, seat and my page."""
