//! Two nodes.

use netstack::time::Duration;

use crate::world::{both, run};

#[test]
fn two_peers_exchange_particles_of_all_sizes() {
    run(1, async |world| {
        let (a, b) = (world.start(1), world.start(2));
        a.meet(&b).await;
        for (count, bytes) in [0, 1, 1_000, 300_000, 3_000_000].into_iter().enumerate() {
            a.send(&b, "there", bytes).await.expect("sent");
            b.send(&a, "back", bytes).await.expect("sent");
            assert_eq!((a.inbox.len(), b.inbox.len()), (count + 1, count + 1));
            assert_eq!(b.inbox.particles.borrow()[count].1.data.len(), bytes);
            assert_eq!(b.inbox.particles.borrow()[count].0, a.peer);
        }
        assert_eq!(a.swarm.counters().connections, 1);
        assert_eq!(b.swarm.counters().connections, 1, "b answers on a's connection");
        both(a.swarm.shutdown(), b.swarm.shutdown()).await;
        assert_eq!((a.swarm.counters().tasks, b.swarm.counters().tasks), (0, 0));
        world.sleep(Duration::from_secs(1)).await;
        assert_eq!(world.links(), 0);
        assert_eq!((a.inbox.connected.get(), a.inbox.disconnected.get()), (1, 1));
    });
}
