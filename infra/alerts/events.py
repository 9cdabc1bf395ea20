"""Alerts on what all services share: sagas, the outbox, the log's consumers, views and dead letters."""

from infra.alerts.alert import Alert
from infra.alerts.pace import DAY, HOUR, MINUTE, REAL, Pace
from infra.queries import consumers, letters, outbox, sagas

__all__ = ["alerts"]

OVERDUE_AT_LEAST = 3
OVERDUE_SHARE = 0.05
OUTBOX_AGE = MINUTE
BEHIND = MINUTE
VIEW_DELAY = 15.0
"""Seconds. A bucket of the histogram, or the quantile could not be told from the one above."""
CENSUS_AGE = 15 * MINUTE
"""Where counting takes long, the next look comes after twelve minutes at most, by design."""

LATELY = 5 * MINUTE
"""What was there between two looks counts, and a process that begins anew does not begin the wait anew."""


def alerts(pace: Pace = REAL) -> list[Alert]:
    return [*_of_sagas(pace), *_of_the_outbox(pace), *_of_consumers(pace), *_of_letters(pace)]


def _of_sagas(pace: Pace) -> list[Alert]:
    return [
        Alert(
            "SagaStuck",
            f"{sagas.stuck()} > 0",
            "page",
            "{{ $value }} instances of {{ $labels.saga }} are stuck",
            "A message of each was given up on somewhere; they go no further until somebody acts.",
            board="sagas",
            lasts=MINUTE,
        ),
        Alert(
            "SagasOverdue",
            sagas.newly_overdue(pace.span(HOUR), at_least=OVERDUE_AT_LEAST, share=OVERDUE_SHARE),
            "ticket",
            "more and more instances of {{ $labels.saga }} pass their deadline",
            f"{{{{ $value | humanize }}}} within the hour, over {OVERDUE_SHARE:.0%} of those begun.",
            board="sagas",
            lasts=5 * MINUTE,
        ),
    ]


def _of_the_outbox(pace: Pace) -> list[Alert]:
    return [
        Alert(
            "OutboxOld",
            f"{outbox.oldest()} > {pace.seconds(OUTBOX_AGE):g}",
            "page",
            "{{ $labels.service }} does not get rid of its events",
            "Its oldest has waited for {{ $value | humanizeDuration }}; other services don't see it.",
            board="outbox",
            lasts=MINUTE,
        ),
        Alert(
            "RelayFails",
            f"{outbox.failures(window=pace.span(5 * MINUTE))} > 0",
            "ticket",
            "{{ $labels.service }}'s relay fails again and again",
            "For ten minutes there was no five minutes' rest from failed sends; nothing is lost, all is late.",
            board="outbox",
            lasts=10 * MINUTE,
        ),
    ]


def _of_consumers(pace: Pace) -> list[Alert]:
    behind = pace.seconds(BEHIND)
    return [
        Alert(
            "ConsumerBehind",
            f"{consumers.behind_seconds()} > {behind:g}",
            "ticket",
            "{{ $labels.service }} is {{ $value | humanizeDuration }} behind the log",
            "It handles less than comes in, or stands still.",
            board="projections",
            lasts=5 * MINUTE,
        ),
        Alert(
            "ConsumerStandsStill",
            consumers.standstill(pace.span(5 * MINUTE)),
            "page",
            "{{ $labels.service }} handles nothing, though {{ $value }} records wait",
            "Not one record was handled in five minutes.",
            board="projections",
            lasts=2 * MINUTE,
        ),
        Alert(
            "ProjectionBehind",
            f"{consumers.projection_delay(0.95, window=pace.span(5 * MINUTE))} > {pace.seconds(VIEW_DELAY):g}",
            "ticket",
            "{{ $labels.projection }} of {{ $labels.service }} shows what was {{ $value | humanizeDuration }} ago",
            "People read old news: the view's events come late, or are handled late.",
            board="projections",
            lasts=5 * MINUTE,
        ),
        Alert(
            "CensusOld",
            f"{consumers.census_age()} > {pace.seconds(CENSUS_AGE):g}",
            "ticket",
            "{{ $labels.service }} no longer counts its outbox, letters and sagas",
            "What the dashboards and alerts say of them is {{ $value | humanizeDuration }} old.",
            board="database",
            lasts=MINUTE,
        ),
    ]


def _of_letters(pace: Pace) -> list[Alert]:
    lately = pace.span(LATELY)
    return [
        Alert(
            "DeadLetterStored",
            letters.new(pace.span(HOUR), lately=lately),
            "ticket",
            "{{ $labels.service }} gave up on {{ $value }} messages within the hour",
            "They are kept as {{ $labels.state }} dead letters; later messages of their keys wait behind them.",
            board="dead-letters",
        ),
        Alert(
            "DeadLettersLie",
            f"{letters.given_up_lately(lately)} > 0",
            "ticket",
            "{{ $value }} {{ $labels.state }} dead letters of {{ $labels.service }} have lain for a day",
            "Nobody has redriven or discarded them.",
            board="dead-letters",
            lasts=DAY,
        ),
        Alert(
            "KeysParked",
            f"{letters.parked_lately(lately)} > 0",
            "ticket",
            "{{ $value }} keys wait in {{ $labels.service }}",
            "For half an hour now every message of theirs has waited behind a dead letter.",
            board="dead-letters",
            lasts=30 * MINUTE,
        ),
    ]
