//! Tells the linker how the boot code is put together.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_FREESTANDING").is_none() {
        return;
    }
    let room = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let script = room.join("boot.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    let arguments = [
        "-nostartfiles".to_owned(),
        "-nostdlib".to_owned(),
        "-Wl,--no-dynamic-linker".to_owned(),
        "-Wl,--hash-style=sysv".to_owned(),
        format!("-Wl,-T,{}", script.display()),
        "-Wl,--gc-sections".to_owned(),
        "-Wl,--build-id=none".to_owned(),
        "-Wl,-z,noexecstack".to_owned(),
        "-Wl,-z,norelro".to_owned(),
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bin=aerolith-boot={argument}");
    }
}
