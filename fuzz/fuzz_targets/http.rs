//! See `artesian_fuzz::http`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artesian_fuzz::http::run(data));
