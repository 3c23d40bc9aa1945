//! Times as a person writes them in a settings or registry file: `500ms`, `10s`, `5m`, `2h`, or bare seconds. Pure.

use std::time::Duration;

/// The longest time that is accepted: a week. Longer ones are typing mistakes.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a text is no time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    #[error("`{0}` is not a time; write seconds, or `500ms`, `10s`, `5m`, `2h`")]
    Form(String),
    #[error("`{0}` is not a positive time")]
    NotPositive(String),
    #[error("`{0}` is more than a week")]
    TooLong(String),
}

/// Reads `text`; more than zero and at most a week.
pub fn parse(text: &str) -> Result<Duration, BadDuration> {
    let trimmed = text.trim();
    let (sign, rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, trimmed),
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = rest.split_at(digits);
    let millis_each: u64 = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(BadDuration::Form(text.into())),
    };
    if number.is_empty() {
        return Err(BadDuration::Form(text.into()));
    }
    let long = || BadDuration::TooLong(text.into());
    let count: u64 = number.parse().map_err(|_| long())?;
    if sign < 0 || count == 0 {
        return Err(BadDuration::NotPositive(text.into()));
    }
    let time = Duration::from_millis(count.checked_mul(millis_each).ok_or_else(long)?);
    if time > LONGEST { Err(long()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, want) in
            [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("60", 60_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(want)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "1.5s", "ten", "5 days", "1e3", "5min", "--5"] {
            assert_eq!(parse(text), Err(BadDuration::Form(text.into())), "{text}");
        }
        for text in ["0", "-5", "0ms", "-1h"] {
            assert_eq!(parse(text), Err(BadDuration::NotPositive(text.into())), "{text}");
        }
        for text in ["8760h", "99999999999999999999999", "18446744073709551615h"] {
            assert_eq!(parse(text), Err(BadDuration::TooLong(text.into())), "{text}");
        }
    }
}
