//! See `artesian_fuzz::server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artesian_fuzz::server::transport_ws(data));
