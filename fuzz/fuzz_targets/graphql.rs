//! See `artesian_fuzz::graphql`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artesian_fuzz::graphql::run(data));
