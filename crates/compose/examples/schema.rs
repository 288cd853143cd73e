//! Reads schemas by hand, from SDL files or from files with the response to an introspection:
//!
//! `cargo run -p artesian-compose --example schema -- FILE [FILE]`
//!
//! Of one file it tells size and digest, of two what changed from the first to the second.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use artesian_compose::{Part, ReadLimits, ServiceSchema, compose};

fn read(path: &str) -> Result<ServiceSchema, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path)?;
    let begun = Instant::now();
    let limits = ReadLimits::default();
    let schema = if text.trim_start().starts_with('{') {
        ServiceSchema::from_introspection(text.as_bytes(), &limits)?
    } else {
        ServiceSchema::from_sdl(&text, &limits)?
    };
    println!("{path}: {} bytes in {:?}, digest {}", text.len(), begun.elapsed(), schema.digest());
    schema.notes().iter().for_each(|note| println!("{note}"));
    Ok(schema)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let first = read(arguments.first().ok_or("FILE [FILE]")?)?;
    let begun = Instant::now();
    let composed = compose(&[Part::new("first", first.clone())])?;
    println!("composed alone in {:?}: {} bytes of SDL", begun.elapsed(), composed.sdl().len());
    if let Some(second) = arguments.get(1) {
        println!("{}", first.difference(&read(second)?));
    }
    Ok(())
}
