//! Times as people write and read them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A point in time as typed: "10m" ago, or RFC 3339.
///
/// # Errors
/// A sentence that says what is accepted.
pub(crate) fn since(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).map_err(|_| {
        "neither a span like 10m or 1h30m nor a time like 2026-11-22T10:00:00Z".to_owned()
    })?;
    let ago =
        time::Duration::try_from(ago).map_err(|_| "longer ago than time goes back".to_owned())?;
    now.checked_sub(ago).ok_or_else(|| "longer ago than time goes back".to_owned())
}

/// A span in at most two units: `3h 12m`, `9s`. A negative one is `0s`.
pub(crate) fn span(span: time::Duration) -> String {
    let seconds = u64::try_from(span.whole_seconds()).unwrap_or(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Date and time of day in UTC, to the millisecond.
pub(crate) fn instant(time: OffsetDateTime) -> String {
    let form =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]Z");
    time.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_else(|_| time.to_string())
}

/// A day in UTC.
pub(crate) fn day(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 10:00 UTC);

    #[test]
    fn a_time_is_typed_as_a_span_or_as_rfc_3339() {
        assert_eq!(since("10m", NOW), Ok(datetime!(2026-11-22 9:50 UTC)));
        assert_eq!(since("1h 30m", NOW), Ok(datetime!(2026-11-22 8:30 UTC)));
        assert_eq!(since("2026-11-21T00:00:00+02:00", NOW), Ok(datetime!(2026-11-20 22:00 UTC)));
    }

    #[test]
    fn anything_else_is_refused_and_never_panics() {
        for text in ["", "10", "yesterday", "-5m", "2026-11-22", "99999999999999y", "9999999y"] {
            assert!(since(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_shows_what_matters_at_its_size() {
        let shown =
            [-5, 0, 59, 3599, 3661, 90_061, 8_640_000].map(|s| span(time::Duration::seconds(s)));
        assert_eq!(shown, ["0s", "0s", "59s", "59m 59s", "1h 1m", "1d 1h", "100d 0h"]);
    }
}
