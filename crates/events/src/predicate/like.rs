//! SQL's `LIKE`: `%` is any text, `_` one character, and `\` takes the next character as it is.

use std::borrow::Cow;

use serde_json::Value;

/// Whether case counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Like {
    Exact,
    AnyCase,
}

/// The longest pattern and the longest text, in bytes: matching may cost their product.
const LONGEST_PATTERN: usize = 256;
const LONGEST_TEXT: usize = 16 << 10;

/// Whether a pattern is short enough.
pub(super) fn fits(pattern: &str) -> bool {
    pattern.len() <= LONGEST_PATTERN
}

impl Like {
    /// Whether the text is of the pattern. Unknown unless both are strings of moderate length.
    pub fn matches(self, value: &Value, pattern: &Value) -> Option<bool> {
        let (Value::String(text), Value::String(pattern)) = (value, pattern) else { return None };
        if text.len() > LONGEST_TEXT || !fits(pattern) {
            return None;
        }
        let fold = |text| match self {
            Self::Exact => Cow::Borrowed(text),
            Self::AnyCase => Cow::Owned(str::to_lowercase(text)),
        };
        Some(matches(&fold(text), &tokens(&fold(pattern))))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    AnyText,
    AnyCharacter,
    Character(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut characters = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '%' => Token::AnyText,
            '_' => Token::AnyCharacter,
            '\\' => Token::Character(characters.next().unwrap_or('\\')),
            other => Token::Character(other),
        });
    }
    tokens
}

/// Goes back to the latest `%` only, since an earlier one could not do better.
fn matches(text: &str, pattern: &[Token]) -> bool {
    let (mut rest, mut at) = (text.chars(), 0);
    let mut back = None;
    loop {
        match pattern.get(at) {
            Some(Token::AnyText) => {
                at += 1;
                back = Some((rest.clone(), at));
                continue;
            }
            token => {
                let mut after = rest.clone();
                match (token, after.next()) {
                    (None, None) => return true,
                    (Some(token), Some(character))
                        if matches!(token, Token::AnyCharacter)
                            || *token == Token::Character(character) =>
                    {
                        rest = after;
                        at += 1;
                        continue;
                    }
                    _ => {}
                }
            }
        }
        let Some((mut from, token)) = back.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        rest = from.clone();
        at = token;
        back = Some((from, token));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(text: &[char], pattern: &[Token]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((Token::AnyText, others)), rest) => {
                naive(text, others) || rest.is_some_and(|(_, text)| naive(text, pattern))
            }
            (Some((Token::AnyCharacter, others)), Some((_, text))) => naive(text, others),
            (Some((Token::Character(wanted), others)), Some((is, text))) => {
                wanted == is && naive(text, others)
            }
            (Some(_), None) => false,
        }
    }

    #[test]
    fn patterns_match() {
        let matches = |like: Like, text: &str, pattern: &str| {
            like.matches(&text.into(), &pattern.into()).unwrap()
        };
        for (text, pattern) in
            [("", "%"), ("abc", "a%"), ("a%c", r"a\%_"), ("äß", "__"), ("\\", "\\")]
        {
            assert!(matches(Like::Exact, text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [("", "_"), ("abc", "ab"), ("abc", r"a\%"), ("ABC", "abc")] {
            assert!(!matches(Like::Exact, text, pattern), "{text} {pattern}");
        }
        assert!(matches(Like::AnyCase, "ÄBC", "äb%"));
    }

    #[test]
    fn what_would_take_long_is_unknown() {
        let long = Value::from("a".repeat(LONGEST_TEXT + 1));
        assert_eq!(Like::Exact.matches(&long, &"%".into()), None);
        assert_eq!(Like::Exact.matches(&"a".into(), &"%".repeat(257).into()), None);
        assert_eq!(Like::Exact.matches(&1.into(), &"1".into()), None);
    }

    proptest! {
        #[test]
        fn it_does_what_the_rules_say(text in "[ab%]{0,12}", pattern in "[ab%_\\\\]{0,8}") {
            let tokens = tokens(&pattern);
            let characters: Vec<char> = text.chars().collect();
            prop_assert_eq!(matches(&text, &tokens), naive(&characters, &tokens));
        }
    }
}
