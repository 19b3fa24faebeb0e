//! Telling the host that the guest listens.

use alloc::rc::Rc;
use core::time::Duration;

use embedded_io_async::Write;
use log::info;
use netstack::Stream;

use super::limits::{
    HOST_CONNECT_MS, READY_LATE_PAUSE_MS, READY_PAUSE_MS, READY_PAUSES_UNTIL_LATE,
};
use super::{Guest, HostSocket, PORT, Phase};
use crate::aleph::host::READY;

/// Tries until the host has heard it, or has sent the configuration all the same. A host may listen only
/// some time after the guest is there, so it is asked at short intervals at first; where nobody listens for
/// long, at long ones.
pub(super) async fn tell<S: HostSocket>(guest: Rc<Guest<S>>) {
    let begun = guest.executor.now();
    for attempt in 0_u32.. {
        if guest.phase.get() != Phase::Unconfigured {
            return;
        }
        if guest.within(HOST_CONNECT_MS, say(&guest)).await == Some(true) {
            let millis = guest.executor.now().since(begun).as_millis();
            info!(target: "guest", "the host knows that we are ready, {millis} ms after the first attempt");
            return;
        }
        let pause = match attempt < READY_PAUSES_UNTIL_LATE {
            true => READY_PAUSE_MS,
            false => READY_LATE_PAUSE_MS,
        };
        guest.executor.sleep(Duration::from_millis(pause)).await;
    }
}

async fn say<S: HostSocket>(guest: &Guest<S>) -> bool {
    let Some(mut stream) = guest.socket.connect(PORT).await else { return false };
    // In one piece: the host reads once.
    let said = async {
        stream.write_all(READY).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    said.await.is_ok()
}
