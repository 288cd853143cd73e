//! Lets the console's built files be found again when they appear after this crate was first built.

use std::path::Path;

fn main() {
    let console = Path::new("../../console");
    let dist = console.join("dist");
    // A watched path that does not exist would make every build start anew, so the folder is made.
    // Where that is not possible (sources that cannot be written), the console is simply not watched.
    if console.is_dir() && (dist.is_dir() || std::fs::create_dir(&dist).is_ok()) {
        println!("cargo::rerun-if-changed=../../console/dist");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
