//! Whatever a host and our own tasks do, in any order.

use super::*;
use crate::limits::{VSOCK_CONNECTIONS, VSOCK_LINGER, VSOCK_RECEIVE_BYTES};
use proptest::prelude::*;

/// What a hostile host, or our own task, may do.
#[derive(Clone, Debug)]
enum Step {
    Packet { port: u32, own_port: u32, operation: u16, flags: u32, credit: [u32; 2], data: usize },
    Raw(Vec<u8>),
    Accept,
    Read(usize),
    Write(usize, usize),
    Drop(usize),
    Finish(usize),
    Connect,
    Lose,
    Wait(u64),
    Room(Option<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let packet = (0..4_u32, 50..54_u32, 0..9_u16, 0..4_u32, any::<[u32; 2]>(), 0..70_000_usize);
    prop_oneof![
        8 => packet.prop_map(|(port, own_port, operation, flags, credit, data)| {
            let data = if operation == 5 { data } else { data % 3 };
            Step::Packet { port, own_port, operation, flags, credit, data }
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Step::Raw),
        4 => Just(Step::Accept),
        4 => (0..6_usize).prop_map(Step::Read),
        4 => (0..6_usize, 0..100_000_usize).prop_map(|(who, bytes)| Step::Write(who, bytes)),
        2 => (0..6_usize).prop_map(Step::Drop),
        1 => (0..6_usize).prop_map(Step::Finish),
        1 => Just(Step::Connect),
        1 => Just(Step::Lose),
        1 => (0..10_000_u64).prop_map(Step::Wait),
        1 => proptest::option::of(0..4_usize).prop_map(Step::Room),
    ]
}

proptest! {
    #[test]
    fn whatever_the_host_does_bounds_hold_and_nothing_is_left(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let (mut world, listener) = listening();
        let mut streams: Vec<VsockStream> = Vec::new();
        for step in steps {
            match step {
                Step::Packet { port, own_port, operation, flags, credit: [buffer, forwarded], data } => {
                    let end = End { own_port, buffer, forwarded, ..end(port) };
                    let header = end.header(Operation::Data);
                    world.give(Header { operation, flags, ..header }, &vec![0; data]);
                }
                Step::Raw(packet) => world.host.incoming.push_back(packet),
                Step::Accept => streams.extend(now(listener.accept()).map(|(stream, _)| stream)),
                Step::Read(who) => {
                    if let Some(Some(Ok(bytes))) = streams.get(who).map(read) {
                        prop_assert!(bytes.len() <= VSOCK_RECEIVE_BYTES);
                    }
                }
                Step::Write(who, bytes) => {
                    if let Some(stream) = streams.get(who) {
                        write(stream, &vec![0; bytes]);
                    }
                }
                Step::Drop(who) => if who < streams.len() {
                    streams.swap_remove(who);
                },
                Step::Finish(who) => if let Some(mut stream) = streams.get(who) {
                    prop_assert!(now(stream.shutdown()).is_some());
                },
                Step::Connect => {
                    let peer = Address { cid: HOST, port: 1 };
                    prop_assert!(now(VsockStream::connect(&world.vsock, peer)).is_none_or(|c| c.is_err()));
                }
                Step::Lose => world.host.lost = Some(OWN),
                Step::Wait(millis) => world.now += Duration::from_millis(millis),
                Step::Room(room) => world.host.room = room,
            }
            world.poll();
            prop_assert!(world.vsock.connections() <= VSOCK_CONNECTIONS);
            for (header, data) in world.host.outgoing.drain(..) {
                prop_assert_eq!(header.from.cid, OWN);
                prop_assert_eq!(header.length as usize, data.len());
            }
        }
        drop((streams, listener));
        world.host.room = None;
        world.poll();
        world.now += VSOCK_LINGER;
        world.poll();
        world.poll();
        prop_assert_eq!(world.vsock.connections(), 0);
        prop_assert_eq!(world.poll(), None);
    }
}
