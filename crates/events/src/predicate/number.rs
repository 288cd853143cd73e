//! Numbers of any size, compared exactly.

use std::cmp::Ordering;

/// `0.d₁d₂d₃… · 10^exponent` with d₁ ≠ 0 and no zeros at the end; zero has no digits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    exponent: i64,
    digits: Vec<u8>,
}

/// Longer texts are no numbers.
const LONGEST: usize = 1024;

impl Decimal {
    /// Reads a JSON number (RFC 8259, section 6) without white space around it.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let has_zeros = whole.len() > 1 && whole.starts_with('0');
        let all = || whole.bytes().chain(fraction.bytes());
        if whole.is_empty() || has_zeros || !all().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let zeros = all().take_while(|byte| *byte == b'0').count();
        let mut digits: Vec<u8> = all().skip(zeros).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self { is_negative: false, exponent: 0, digits });
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?;
        Some(Self { is_negative, exponent: exponent.saturating_add(point), digits })
    }
}

/// Exponents beyond what fits are as good as the largest.
fn read_exponent(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    Some(if is_negative { -size } else { size })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let sizes = || (self.exponent, &self.digits).cmp(&(other.exponent, &other.digits));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => sizes(),
            _ => sizes().reverse(),
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn equal_numbers_may_look_different() {
        for (one, other) in
            [("1", "1.0"), ("10", "1e1"), ("0", "-0.00e5"), ("0.015", "15E-3"), ("-120", "-1.2e+2")]
        {
            assert_eq!(number(one), number(other));
        }
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert!(number("1e99999999999999999999") > number("1e400"));
        assert!(number("-1e99999999999999999999") < number("-1e400"));
        assert!(number("1e-99999999999999999999") > number("0"));
    }

    #[test]
    fn what_json_has_not_is_no_number() {
        for text in
            ["", "-", "+1", "01", ".5", "1.", "1e", "1e+", "0x1", "NaN", " 1", "1 ", "1.2.3", "١"]
        {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_numbers(one: i64, other in prop_oneof![any::<i64>(), -9..9_i64]) {
            prop_assert_eq!(number(&one.to_string()).cmp(&number(&other.to_string())), one.cmp(&other));
        }

        #[test]
        fn fractions_too(one in -999_999..999_999_i64, other in -999_999..999_999_i64, places in 0..9_i32) {
            let text = |n: i64| format!("{n}e-{places}");
            let plain = |n: i64| serde_json::to_string(&(n as f64)).unwrap();
            prop_assert_eq!(number(&text(one)).cmp(&number(&text(other))), one.cmp(&other));
            prop_assert_eq!(number(&plain(one)), number(&one.to_string()));
        }

        #[test]
        fn what_json_has_is_a_number(value: f64) {
            if let Some(value) = serde_json::Number::from_f64(value) {
                prop_assert!(Decimal::parse(&value.to_string()).is_some());
            }
        }

        #[test]
        fn nothing_panics(text in "[-+0-9eE. ]{0,30}") {
            let is_json = serde_json::from_str::<serde_json::Number>(&text).is_ok();
            prop_assert_eq!(Decimal::parse(&text).is_some(), is_json && text.trim() == text);
        }
    }
}
