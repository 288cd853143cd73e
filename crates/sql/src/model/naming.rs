//! Names: which are valid in GraphQL, and how English words are made singular and plural for
//! relationships that nobody named.

/// Whether a name may stand in a GraphQL schema. Names that begin with two underscores are for
/// introspection (GraphQL §2.1.9).
pub fn is_valid_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with("__")
}

/// A valid name that looks like this one.
pub fn suggestion(name: &str) -> String {
    let mut out: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    while out.contains("__") {
        out = out.replace("__", "_");
    }
    let out = out.trim_matches('_');
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        format!("t_{out}")
    } else {
        out.to_owned()
    }
}

/// Plurals that no rule gives.
const IRREGULAR: [(&str, &str); 8] = [
    ("person", "people"),
    ("child", "children"),
    ("man", "men"),
    ("woman", "women"),
    ("datum", "data"),
    ("criterion", "criteria"),
    ("analysis", "analyses"),
    ("status", "statuses"),
];

/// Words that are their own plural.
const UNCOUNTED: [&str; 8] =
    ["news", "series", "species", "equipment", "information", "metadata", "media", "staff"];

/// Splits off the last word of a snake-case name.
fn last_word(name: &str) -> (&str, &str) {
    match name.rfind('_') {
        Some(i) => name.split_at(i + 1),
        None => ("", name),
    }
}

/// `couriers` → `courier`, `order_items` → `order_item`, `categories` → `category`.
pub fn singular(name: &str) -> String {
    let (head, word) = last_word(name);
    if UNCOUNTED.contains(&word) {
        return name.to_owned();
    }
    if let Some((one, _)) = IRREGULAR.iter().find(|(_, many)| *many == word) {
        return format!("{head}{one}");
    }
    let word = if let Some(stem) = word.strip_suffix("ies").filter(|s| s.len() > 1) {
        format!("{stem}y")
    } else if let Some(stem) = word
        .strip_suffix("es")
        .filter(|s| ["s", "x", "z", "ch", "sh"].iter().any(|e| s.ends_with(e)) && s.len() > 2)
    {
        stem.to_owned()
    } else if let Some(stem) =
        word.strip_suffix('s').filter(|s| s.len() > 1 && !s.ends_with(['s', 'u', 'i']))
    {
        stem.to_owned()
    } else {
        word.to_owned()
    };
    format!("{head}{word}")
}

/// `courier` → `couriers`; a word that looks plural already stays.
pub fn plural(name: &str) -> String {
    let (head, word) = last_word(name);
    if UNCOUNTED.contains(&word) || singular(word) != word {
        return name.to_owned();
    }
    if let Some((_, many)) = IRREGULAR.iter().find(|(one, _)| *one == word) {
        return format!("{head}{many}");
    }
    if IRREGULAR.iter().any(|(_, many)| *many == word) {
        return name.to_owned();
    }
    let word = match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|e| word.ends_with(e)) => format!("{word}es"),
        _ => format!("{word}s"),
    };
    format!("{head}{word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (one, many) in [
            ("courier", "couriers"),
            ("order_item", "order_items"),
            ("category", "categories"),
            ("box", "boxes"),
            ("address", "addresses"),
            ("bus_stop", "bus_stops"),
            ("person", "people"),
            ("dish", "dishes"),
            ("day", "days"),
            ("status", "statuses"),
        ] {
            assert_eq!(singular(many), one);
            assert_eq!(plural(one), many);
            assert_eq!(plural(many), many);
            assert_eq!(singular(one), one);
        }
    }

    #[test]
    fn valid_names() {
        assert!(is_valid_name("_a1"));
        for bad in ["", "1a", "a b", "a-b", "__a", "é"] {
            assert!(!is_valid_name(bad), "{bad}");
            assert!(is_valid_name(&suggestion(bad)), "{bad} → {}", suggestion(bad));
        }
    }
}
