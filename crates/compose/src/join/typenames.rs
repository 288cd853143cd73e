//! Names of types in results, turned from the source's into the composed schema's.

use bytes::Bytes;

use super::scan::{Scanner, text};
use crate::plan::{Key, Keys, Typenames};

/// Lists within lists that are followed; the schema's own bound is lower.
const MAX_LISTS: usize = 64;

/// `data` with the names turned; everything else is copied as it is. `None` if the text is malformed.
pub(super) fn turn_back(data: &Bytes, typenames: &Typenames) -> Option<Bytes> {
    if data == "null" {
        return Some(data.clone());
    }
    let mut out = Vec::with_capacity(data.len() + data.len() / 8);
    object(&mut Scanner::new(data), &typenames.root, typenames, &mut out)?;
    Some(out.into())
}

/// The recursion is that of the selection, which is bounded; what is not selected is copied unseen.
fn object(
    scanner: &mut Scanner<'_>,
    keys: &Keys,
    typenames: &Typenames,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut members = scanner.object()?;
    let mut between = b'{';
    while let Some(key) = members.key()? {
        out.push(between);
        between = b',';
        out.extend_from_slice(key);
        out.push(b':');
        let scanner = members.scanner();
        match keys.keys.get(&*text(key)?) {
            None => out.extend_from_slice(scanner.value()?),
            Some(Key::Typename) => name(scanner.value()?, typenames, out),
            Some(Key::Within(keys)) => within(scanner, keys, typenames, out, MAX_LISTS)?,
        }
    }
    if between == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
    Some(())
}

fn name(value: &[u8], typenames: &Typenames, out: &mut Vec<u8>) {
    let new = text(value).and_then(|own| typenames.names.get(&*own));
    match new {
        Some(new) => {
            out.push(b'"');
            out.extend_from_slice(new.as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(value),
    }
}

fn within(
    scanner: &mut Scanner<'_>,
    keys: &Keys,
    typenames: &Typenames,
    out: &mut Vec<u8>,
    lists: usize,
) -> Option<()> {
    match (scanner.peek()?, lists.checked_sub(1)) {
        (b'{', _) => object(scanner, keys, typenames, out),
        (b'[', Some(lists)) => {
            let mut items = scanner.list()?;
            let mut between = b'[';
            while let Some(scanner) = items.scanner()? {
                out.push(between);
                between = b',';
                within(scanner, keys, typenames, out, lists)?;
            }
            if between == b'[' {
                out.push(b'[');
            }
            out.push(b']');
            Some(())
        }
        _ => {
            out.extend_from_slice(scanner.value()?);
            Some(())
        }
    }
}
