//! Free ports of 127.0.0.1 that QEMU forwards: another process may take one before QEMU does.

use std::net::TcpListener;

use anyhow::Result;

/// What QEMU says of a port that is taken.
pub const TAKEN: &str = "Could not set up host forwarding rule";
/// How often that may happen in a row.
pub const ATTEMPTS: u32 = 8;

/// A port that is free now; two calls give two.
///
/// # Errors
/// When none is free.
pub fn free() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What `start` gives, which starts a guest on ports that were [`free`] and whose error holds what QEMU
/// said; again, where one of them was taken meanwhile.
///
/// # Errors
/// Those of `start`.
pub fn retried<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match start() {
            Err(error) if format!("{error:#}").contains(TAKEN) => {}
            done => return done,
        }
    }
    start()
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow, bail};

    use super::*;

    fn taken() -> Result<u32> {
        Err(anyhow!("qemu: {TAKEN} 'tcp'")).context("no ready line")
    }

    #[test]
    fn only_a_port_that_was_taken_is_a_reason_to_try_again() {
        let tried = |outcome: fn(u32) -> Result<u32>| {
            let mut count = 0;
            let done = retried(|| {
                count += 1;
                outcome(count)
            });
            (count, done.is_ok())
        };
        assert_eq!(tried(|_| bail!("no such machine")), (1, false));
        assert_eq!(tried(Ok), (1, true));
        assert_eq!(
            tried(|count| if count < ATTEMPTS { taken() } else { Ok(count) }),
            (ATTEMPTS, true)
        );
        assert_eq!(tried(|_| taken()), (ATTEMPTS, false));
    }
}
