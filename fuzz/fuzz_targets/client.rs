//! See `artesian_fuzz::client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artesian_fuzz::client::run(data));
