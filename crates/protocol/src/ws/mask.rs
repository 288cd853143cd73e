//! Masking (RFC 6455, section 5.3).

/// Applies `key` to `data` in place, where `data` begins `offset` bytes into the frame's payload.
/// Masking and unmasking are the same operation.
pub(crate) fn apply(key: [u8; 4], offset: usize, data: &mut [u8]) {
    let k = |i: usize| key[(offset + i) & 3];
    let word = u64::from_ne_bytes([k(0), k(1), k(2), k(3), k(0), k(1), k(2), k(3)]);
    let mut chunks = data.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut bytes = [0u8; 8];
        bytes.copy_from_slice(chunk);
        let masked = u64::from_ne_bytes(bytes) ^ word;
        chunk.copy_from_slice(&masked.to_ne_bytes());
    }
    for (i, byte) in chunks.into_remainder().iter_mut().enumerate() {
        *byte ^= k(i);
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn agrees_with_the_definition_at_every_offset_and_length() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for offset in 0..9 {
            for len in 0..40 {
                let plain: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
                let mut fast = plain.clone();
                apply(key, offset, &mut fast);
                let slow: Vec<u8> =
                    plain.iter().enumerate().map(|(i, b)| b ^ key[(offset + i) % 4]).collect();
                assert_eq!(fast, slow);
            }
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6455, section 5.7: a masked "Hello".
        let mut data = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply([0x37, 0xfa, 0x21, 0x3d], 0, &mut data);
        assert_eq!(&data, b"Hello");
    }
}
