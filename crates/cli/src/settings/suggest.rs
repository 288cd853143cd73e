//! "Did you mean …?"

/// The candidate that a misspelt word most likely stands for.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            // A third of the letters may be wrong, and at least one.
            *distance <= (candidate.chars().count().max(word.chars().count()) / 3).max(1)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, candidates).map_or_else(String::new, |c| format!("; did you mean `{c}`?"))
}

/// Edit distance; swapping two neighbours counts as one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let is_swap = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
            let swap = if is_swap { before[j - 1] + 1 } else { usize::MAX };
            let change = last[j] + usize::from(a[i] != b[j]);
            row.push(change.min(last[j + 1] + 1).min(row[j] + 1).min(swap));
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("listen", "lisetn", 1),
            ("listen", "listn", 1),
            ("listen", "listens", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_what_is_alike_is_suggested() {
        let known = ["listen", "admin_secret", "cors_domain"];
        assert_eq!(closest("admin_secert", known), Some("admin_secret"));
        assert_eq!(closest("LISTEN", known), Some("listen"));
        assert_eq!(closest("port", known), None);
        assert_eq!(hint("cors_domains", known), "; did you mean `cors_domain`?");
        assert_eq!(hint("zzz", known), "");
    }
}
