//! See `artesian_fuzz::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artesian_fuzz::frames::run(data));
