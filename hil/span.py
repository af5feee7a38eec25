"""A stretch of time, for people: "36 s", "8 min", "25 h 22 min"."""

MINUTE_S, HOUR_S = 60, 3600
SECONDS_UNTIL_S = 2 * MINUTE_S  # from here on in minutes


def span(seconds: float) -> str:
    """Rounded to what anybody waits by."""
    if round(seconds) < SECONDS_UNTIL_S:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / MINUTE_S), HOUR_S // MINUTE_S)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
