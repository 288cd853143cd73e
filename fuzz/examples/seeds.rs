//! Writes the first inputs of every target to `corpus/`.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, inputs) in artesian_fuzz::seeds::all(&here.join("../crates"))? {
        let folder = here.join("corpus").join(target);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        for (i, input) in inputs.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:02}")), input)?;
        }
        println!("{target}: {} files, {} bytes", inputs.len(), inputs.concat().len());
    }
    Ok(())
}
