//! Tells the crate which compiler builds it, for the record a host reads without running the plugin.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=RUSTC");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(compiler).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    // "rustc 1.95.0 (59807616e 2026-04-14)", or "1.97.0-nightly" in place of the number.
    let version = text.split_whitespace().nth(1).unwrap_or("0.0.0").split('-').next().unwrap_or("0.0.0").to_owned();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let number = next() * 10000 + next() * 100 + next();
    println!("cargo:rustc-env=AEGIS_RUSTC_VERSION={version}");
    println!("cargo:rustc-env=AEGIS_RUSTC_NUMBER={number}");
}
