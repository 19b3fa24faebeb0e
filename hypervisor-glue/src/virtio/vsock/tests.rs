//! The socket driver against a device that follows a script.

use super::super::testing::{Available, FakeTransport};
use super::*;
use alloc::vec;
use proptest::prelude::*;
use virtio_drivers::transport::DeviceType;

const RX: usize = RECEIVE as usize;
const TX: usize = TRANSMIT as usize;
const EV: usize = EVENTS as usize;

fn fake(cid: u64) -> FakeTransport {
    FakeTransport::new(DeviceType::Socket, VERSION_1, &[128, 128, 128], &cid.to_le_bytes())
}

fn started() -> (FakeTransport, VirtioVsock<FakeTransport>) {
    let fake = fake(3);
    let device = VirtioVsock::new(fake.clone(), Interrupt::Line).unwrap();
    (fake, device)
}

fn receive(device: &mut VirtioVsock<FakeTransport>) -> Option<Vec<u8>> {
    let mut packet = None;
    device.receive(&mut |bytes| packet = Some(bytes.to_vec())).then(|| packet.unwrap())
}

fn send(device: &mut VirtioVsock<FakeTransport>, packet: &[u8]) -> bool {
    device.send(&mut |room| {
        room[..packet.len()].copy_from_slice(packet);
        packet.len()
    })
}

fn deliver(fake: &FakeTransport, queue: usize, packet: &[u8]) -> Available {
    let buffer = fake.next(queue).unwrap();
    FakeTransport::fill(buffer, packet);
    fake.finish(queue, buffer.token.into(), u32::try_from(packet.len()).unwrap());
    buffer
}

#[test]
fn the_number_of_the_machine_is_one_that_a_machine_can_have() {
    for (cid, good) in
        [(2, false), (3, true), (CID_ANY - 1, true), (CID_ANY, false), (1 << 32, false)]
    {
        let device = VirtioVsock::new(fake(cid), Interrupt::Line);
        assert_eq!(device.ok().map(|device| device.cid()), good.then_some(cid), "{cid}");
    }
}

#[test]
fn a_device_with_too_short_queues_is_refused() {
    for (queue, slots) in
        [(RX, VSOCK_RECEIVE_SLOTS), (TX, VSOCK_TRANSMIT_SLOTS), (EV, VSOCK_EVENT_SLOTS)]
    {
        for missing in [0, 1] {
            let fake = fake(3);
            fake.0.borrow_mut().queue_sizes[queue] = u32::try_from(slots - missing).unwrap();
            let device = VirtioVsock::new(fake, Interrupt::Line);
            assert_eq!(device.is_ok(), missing == 0, "queue {queue}");
        }
    }
}

#[test]
fn packets_arrive_and_their_buffers_go_back() {
    let (fake, mut device) = started();
    for round in 0..3 * VSOCK_RECEIVE_SLOTS {
        let packet = vec![u8::try_from(round % 251).unwrap(); 44 + round];
        let buffer = deliver(&fake, RX, &packet);
        assert!(buffer.writable && buffer.bytes as usize == VSOCK_RECEIVE_BYTES);
        assert_eq!(receive(&mut device), Some(packet));
        assert_eq!(receive(&mut device), None);
    }
    assert!(!device.has_failed());
}

#[test]
fn a_buffer_that_comes_back_unwritten_brings_no_packet_again() {
    let (fake, mut device) = started();
    let packet = vec![7; 100];
    for _ in 0..VSOCK_RECEIVE_SLOTS {
        deliver(&fake, RX, &packet);
        assert_eq!(receive(&mut device), Some(packet.clone()));
    }
    for _ in 0..VSOCK_RECEIVE_SLOTS {
        let buffer = fake.next(RX).unwrap();
        fake.finish(RX, buffer.token.into(), u32::try_from(HEADER_BYTES).unwrap());
        assert_eq!(receive(&mut device), Some(vec![0; HEADER_BYTES]));
    }
    assert!(!device.has_failed());
}

#[test]
fn packets_of_the_largest_size_are_sent_until_no_buffer_is_free() {
    let (fake, mut device) = started();
    let packet = vec![5; VSOCK_TRANSMIT_BYTES];
    for _ in 0..VSOCK_TRANSMIT_SLOTS {
        assert!(send(&mut device, &packet));
    }
    assert!(!send(&mut device, &packet));
    device.flush();
    assert!(fake.0.borrow().notified.contains(&TRANSMIT));
    // The device sends one of them: there is room for one more.
    assert!(!device.prepare_idle() && fake.wants_interrupt(TX) && !fake.wants_interrupt(RX));
    let sent = fake.next(TX).unwrap();
    assert_eq!(FakeTransport::contents(sent, VSOCK_TRANSMIT_BYTES), packet);
    fake.finish(TX, sent.token.into(), 0);
    assert!(device.prepare_idle());
    assert!(send(&mut device, b"more") && !send(&mut device, b"more"));
}

#[test]
fn a_packet_of_no_bytes_is_not_sent() {
    let (fake, mut device) = started();
    for _ in 0..2 * VSOCK_TRANSMIT_SLOTS {
        assert!(device.send(&mut |_| 0));
    }
    assert_eq!(fake.next(TX), None);
}

#[test]
fn a_transport_reset_brings_the_number_that_is_good_now() {
    let (fake, mut device) = started();
    assert_eq!(device.transport_reset(), None);
    fake.0.borrow_mut().config = Vec::from(7_u64.to_le_bytes());
    deliver(&fake, EV, &TRANSPORT_RESET);
    assert!(device.prepare_idle(), "an event is work");
    assert_eq!(device.transport_reset(), Some(7));
    assert_eq!((device.transport_reset(), device.cid()), (None, 7));
    for event in [&[1, 0, 0, 0][..], &[0, 0, 0], &[]] {
        deliver(&fake, EV, event);
        assert_eq!(device.transport_reset(), None, "{event:?}");
    }
    assert!(fake.next(EV).is_some(), "buffers go back");
}

#[test]
fn a_look_before_sleep_finds_what_came_and_arms_the_device() {
    let (fake, mut device) = started();
    assert!(!device.prepare_idle());
    assert!(fake.wants_interrupt(RX) && fake.wants_interrupt(EV) && !fake.wants_interrupt(TX));
    deliver(&fake, RX, &[0; 44]);
    assert!(device.prepare_idle());
    assert!(!fake.wants_interrupt(RX));
    assert!(receive(&mut device).is_some());
}

#[test]
fn a_device_that_lies_is_not_used_any_more_and_its_connections_are_lost() {
    let lies: [fn(&FakeTransport); 2] = [
        |fake| fake.finish(RX, 99, 44),
        |fake| {
            let buffer = fake.next(RX).unwrap();
            fake.finish(RX, buffer.token.into(), u32::try_from(VSOCK_RECEIVE_BYTES).unwrap() + 1);
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (fake, mut device) = started();
        lie(&fake);
        while receive(&mut device).is_some() {}
        assert!(device.has_failed(), "{number}");
        assert!(fake.get_status().contains(DeviceStatus::FAILED));
        assert!(device.prepare_idle(), "that it failed is news");
        assert_eq!((device.transport_reset(), device.transport_reset()), (Some(3), None));
        assert!(
            !send(&mut device, b"x") && receive(&mut device).is_none() && !device.prepare_idle()
        );
    }
}

proptest! {
    #[test]
    fn whatever_the_device_gives_back_is_survived(
        given in proptest::collection::vec((0..3_usize, any::<u16>(), any::<u32>()), 0..64),
    ) {
        let (fake, mut device) = started();
        for (queue, token, written) in given {
            fake.finish(queue, u32::from(token % 64), written % 100_000);
            send(&mut device, b"packet");
            while let Some(packet) = receive(&mut device) {
                prop_assert!(packet.len() <= VSOCK_RECEIVE_BYTES);
            }
            device.transport_reset();
            device.flush();
            device.prepare_idle();
        }
    }
}
