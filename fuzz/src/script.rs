//! The input of the session targets: the language of the scripted tests (`crates/protocol/tests`),
//! without what they expect. So each script is a seed, and findings can be read.

/// The longest time that a script lets pass at once, in milliseconds.
const LONGEST_WAIT: u64 = 120_000;

/// The most lines that are looked at.
pub const MOST_LINES: usize = 300;

/// A line, cut into its first word and the rest.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The first word, or nothing if it is not text.
    pub word: &'a str,
    /// What follows, without the blank between.
    pub rest: &'a [u8],
    /// All of it.
    pub all: &'a [u8],
}

/// The lines of an input.
pub fn lines(input: &[u8]) -> impl Iterator<Item = Line<'_>> {
    input.split(|byte| *byte == b'\n').take(MOST_LINES).map(|all| {
        let end = all.iter().position(|byte| *byte == b' ').unwrap_or(all.len());
        let word = std::str::from_utf8(&all[..end]).unwrap_or_default();
        Line { word, rest: all.get(end + 1..).unwrap_or_default(), all }
    })
}

impl<'a> Line<'a> {
    /// A number at the beginning of the rest; 0 if there is none.
    pub fn number(&self) -> u64 {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0')))
    }

    /// How long to wait, in milliseconds.
    pub fn wait(&self) -> u64 {
        self.number().min(LONGEST_WAIT)
    }

    /// Which of `count` things a name such as `A` means.
    pub fn index(&self, count: usize) -> Option<usize> {
        let name = self.rest.first().copied().unwrap_or(b'A');
        (usize::from(name.wrapping_sub(b'A'))).checked_rem(count)
    }

    /// A setting: `set NAME VALUE`.
    pub fn setting(&self) -> Option<(&'a str, &'a str)> {
        let setting = std::str::from_utf8(self.rest).ok()?.split_once(' ')?;
        (self.word == "set").then_some(setting)
    }
}
