//! See `artesian_fuzz::streams`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artesian_fuzz::streams::run(data));
