//! See `artesian_fuzz::origins`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artesian_fuzz::origins::run(data));
