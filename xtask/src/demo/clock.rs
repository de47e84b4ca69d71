//! Times of day as events and the authorization server's log give them (RFC 3339, UTC).

/// Milliseconds from `earlier` to `later`, within one day; `None` when one of
/// them is not a time.
pub(crate) fn milliseconds_between(earlier: &str, later: &str) -> Option<f64> {
    let seconds = second_of_day(later)? - second_of_day(earlier)?;
    Some(seconds.rem_euclid(86_400.0) * 1000.0)
}

/// `36000.5` of `2026-11-22T10:00:00.5Z`.
fn second_of_day(time: &str) -> Option<f64> {
    let clock = time.split_once('T')?.1.strip_suffix('Z')?;
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    Some(
        hours.parse::<f64>().ok()? * 3600.0
            + minutes.parse::<f64>().ok()? * 60.0
            + seconds.parse::<f64>().ok()?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_counted_in_milliseconds_also_over_midnight() {
        let span = milliseconds_between("2026-11-22T10:00:00.5Z", "2026-11-22T10:00:01.25Z");
        assert!(span.is_some_and(|ms| (ms - 750.0).abs() < 0.001));
        let night = milliseconds_between("2026-11-22T23:59:59Z", "2026-11-23T00:00:00.01Z");
        assert!(night.is_some_and(|ms| (ms - 1010.0).abs() < 0.001));
        assert_eq!(milliseconds_between("x", "2026-11-22T10:00:00Z"), None);
    }
}
