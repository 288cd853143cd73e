//! "Did you mean …?"

/// `; did you mean `x`?`, or nothing.
pub(super) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, candidates).map_or_else(String::new, |c| format!("; did you mean `{c}`?"))
}

/// The candidate that a misspelt word most likely stands for.
fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// No setting's name is longer; the work grows with the square.
    const LONGEST: usize = 64;
    let word: Vec<char> = word.to_ascii_lowercase().chars().take(LONGEST).collect();
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.to_ascii_lowercase().chars().collect();
            // A third of the letters may be wrong, and at least one.
            let allowed = (letters.len().max(word.len()) / 3).max(1);
            (distance(&word, &letters), allowed, candidate)
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
}

/// Edit distance; swapping two neighbours counts as one edit.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut row = vec![left];
        for (j, (y, costs)) in b.iter().zip(last.windows(2)).enumerate() {
            let [diagonal, above] = costs else { continue };
            left = (above + 1).min(left + 1).min(diagonal + usize::from(x != y));
            let earlier = i.checked_sub(1).and_then(|i| a.get(i)).zip(j.checked_sub(1));
            if let Some((before_x, j)) = earlier
                && before_x == y
                && b.get(j) == Some(x)
                && let Some(swapped) = before.get(j)
            {
                left = left.min(swapped + 1);
            }
            row.push(left);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let count = |a: &str, b: &str| {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            distance(&letters(a), &letters(b))
        };
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("forward", "foward", 1),
            ("url", "ulr", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((count(a, b), count(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_alike_is_suggested() {
        let known = ["subscriptions", "headers", "url"];
        assert_eq!(hint("subscription", known), "; did you mean `subscriptions`?");
        assert_eq!(hint("HEADER", known), "; did you mean `headers`?");
        assert_eq!(hint("zzz", known), "");
        assert_eq!(hint(&"x".repeat(1 << 20), known), "");
    }
}
