"""What a batch's name says of the time of its data: for ``Pipeline(batch_end=…)``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY_DIGITS = 10


def month_end(batch: str) -> datetime:
    """Return the first moment after the month ``YYYY-MM``.

    >>> month_end("2013-12").isoformat()
    '2014-01-01T00:00:00+00:00'
    """
    start = datetime.strptime(batch, "%Y-%m").replace(tzinfo=UTC)
    return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


def week_end(batch: str) -> datetime:
    """Return the first moment after the week ``YYYY-Www`` of ISO 8601.

    >>> week_end("2013-W01").isoformat()
    '2013-01-07T00:00:00+00:00'
    """
    return datetime.strptime(f"{batch}-1", "%G-W%V-%u").replace(tzinfo=UTC) + timedelta(weeks=1)


def day_end(batch: str) -> datetime:
    """Return the first moment after the day ``YYYY-MM-DD``.

    >>> day_end("2013-12-31").isoformat()
    '2014-01-01T00:00:00+00:00'
    """
    return datetime.strptime(batch, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)


def day_named(batch: str) -> datetime:
    """Return the day ``YYYY-MM-DD`` that a name begins with, for rows that have no time at all.

    >>> day_named("2013-12-31").isoformat(), day_named("2013-12-31.second").day
    ('2013-12-31T00:00:00+00:00', 31)
    """
    return datetime.strptime(batch[:DAY_DIGITS], "%Y-%m-%d").replace(tzinfo=UTC)


def how_many(batches: int) -> str:
    """Return a number of batches in words.

    >>> how_many(1), how_many(1200)
    ('1 batch', '1,200 batches')
    """
    return f"{batches:,} batch{'es' * (batches != 1)}"
