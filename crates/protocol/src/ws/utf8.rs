//! Incremental UTF-8 validation that fails at the first byte that cannot be continued
//! (RFC 6455, section 8.1; RFC 3629).

/// Validates text that arrives in chunks. Keeps at most three bytes of an unfinished character.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    carry: [u8; 4],
    len: usize,
}

/// The text can never become valid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

impl Utf8 {
    /// Takes in the next chunk.
    pub(crate) fn feed(&mut self, mut input: &[u8]) -> Result<(), Invalid> {
        while self.len > 0 {
            let Some((&byte, rest)) = input.split_first() else {
                return Ok(());
            };
            let Some(slot) = self.carry.get_mut(self.len) else {
                return Err(Invalid);
            };
            *slot = byte;
            self.len += 1;
            input = rest;
            match std::str::from_utf8(self.carry.get(..self.len).unwrap_or_default()) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(Invalid),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(input) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(Invalid),
            Err(error) => {
                let tail = input.get(error.valid_up_to()..).unwrap_or_default();
                if let Some(slots) = self.carry.get_mut(..tail.len()) {
                    slots.copy_from_slice(tail);
                    self.len = tail.len();
                    Ok(())
                } else {
                    Err(Invalid)
                }
            }
        }
    }

    /// Ends the text: an unfinished character is an error.
    pub(crate) fn finish(&mut self) -> Result<(), Invalid> {
        if std::mem::take(&mut self.len) == 0 { Ok(()) } else { Err(Invalid) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_split_of_valid_text() {
        let text = "aß水𝄞\u{10FFFF}\u{800}z".as_bytes();
        for a in 0..=text.len() {
            for b in a..=text.len() {
                let mut v = Utf8::default();
                v.feed(&text[..a]).unwrap();
                v.feed(&text[a..b]).unwrap();
                v.feed(&text[b..]).unwrap();
                v.finish().unwrap();
            }
        }
    }

    #[test]
    fn fails_at_the_first_impossible_byte() {
        // (text, index of the byte at which it must fail)
        let cases: &[(&[u8], usize)] = &[
            (b"\xff", 0),
            (b"a\x80", 1),
            (b"\xc0\xaf", 0),
            (b"\xe0\x80\x80", 1),
            (b"\xed\xa0\x80", 1),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5\x80", 0),
            (b"\xce\xba\xe1\xbd\xb9\xf4\x90", 6),
            (b"\xe6\xb0a", 2),
        ];
        for (text, at) in cases {
            let mut v = Utf8::default();
            let failed = text.iter().position(|b| v.feed(&[*b]).is_err());
            assert_eq!(failed, Some(*at), "{text:x?}");
            assert!(Utf8::default().feed(text).is_err());
        }
    }

    #[test]
    fn an_unfinished_character_is_an_error_at_the_end_only() {
        let mut v = Utf8::default();
        v.feed("水".as_bytes().get(..2).unwrap()).unwrap();
        assert_eq!(v.finish(), Err(Invalid));
    }
}
