//! What starts programs beside HTTP requests, put together: schedules, messages, and where both come from.

use alloc::rc::Rc;
use core::fmt;
use core::time::Duration;

use crate::executor::{Executor, Signal};
use crate::limits::AMENDMENT_POLLS;
use crate::machine::Machine;
use crate::message_node::{
    Follow, HttpNode, Install, Installer, MessageNode, NodeApi, PollCounts, Poller,
};
use crate::metrics::{Exposition, Kind};
use crate::network::Network;
use crate::program::Programs;
use crate::schedule::{ScheduleCounts, Scheduler};
use crate::store::Store;
use crate::subscribe::{self, Messages, Origin, Subscriber};

/// What starts the programs of a node; clones are the same.
#[derive(Clone)]
pub struct Triggers {
    subscriber: Rc<Subscriber>,
    /// Whether messages may be posted.
    accepts: bool,
    schedules: Rc<ScheduleCounts>,
    polls: Rc<PollCounts>,
}

/// Starts schedules and messages for these programs, and fetches those that the configuration names. Everything runs in
/// tasks of `executor`.
#[must_use]
pub fn start<N: Network>(
    executor: &Executor,
    network: &N,
    machine: Rc<dyn Machine>,
    programs: &Programs,
    store: Rc<dyn Store>,
) -> Triggers {
    let config = programs.node().config().aleph.clone();
    let runnables = Rc::new(programs.clone());
    let scheduler =
        Scheduler::new(runnables.clone(), store.clone(), machine.clone(), executor.clone());
    let schedules = scheduler.counts();
    executor.spawn(scheduler.run());

    let node = config.node.clone().map(|origin| {
        let api = NodeApi::new(network.clone(), origin.clone(), executor.clone());
        programs.set_api(Rc::new(api));
        Rc::new(HttpNode::new(network.clone(), origin, executor.clone())) as Rc<dyn MessageNode>
    });
    let installer = node.clone().map(|node| {
        let message_bytes = subscribe::message_bytes(&*machine);
        let (machine, executor) = (machine.clone(), executor.clone());
        Installer::new(node, programs.clone(), machine, executor, message_bytes)
    });
    let subscriber = Subscriber::new(subscribe::Parts {
        programs: runnables,
        store: store.clone(),
        machine: machine.clone(),
        executor: executor.clone(),
        node: node.clone(),
        install: installer.clone().map(|installer| Rc::new(installer) as Rc<dyn Install>),
        config: config.clone(),
    });
    let polls = Rc::new(PollCounts::default());
    if let (Some(node), Some(installer), Some(origin)) = (node, installer, config.node) {
        let poke = Signal::new();
        let follow = Follow {
            network: network.clone(),
            address: origin,
            subscriber: subscriber.clone(),
            machine: machine.clone(),
            executor: executor.clone(),
            channels: config.channels.clone(),
            poke: poke.clone(),
            counts: polls.clone(),
        };
        let poller = Poller {
            node,
            subscriber: subscriber.clone(),
            store,
            machine,
            executor: executor.clone(),
            interval: (config.poll_ms > 0).then(|| Duration::from_millis(config.poll_ms.into())),
            channels: config.channels,
            poke,
            counts: polls.clone(),
        };
        let network = network.clone();
        let (tasks, restored) = (executor.clone(), programs.restored());
        executor.spawn(async move {
            // Messages that come first would pass those by that are not back yet.
            restored.await;
            // Without an address nothing can be reached.
            network.wait_configured().await;
            let named = config.programs.iter().filter_map(|hash| hash.parse().ok());
            installer.fetch_all(named.collect());
            if config.poll_ms > 0 {
                let interval = Duration::from_millis(config.poll_ms.into()) * AMENDMENT_POLLS;
                tasks.spawn(installer.follow_amendments(interval));
            }
            if config.websocket {
                tasks.spawn(follow.run());
            }
            if config.websocket || config.poll_ms > 0 {
                poller.run().await;
            }
        });
    }
    Triggers { subscriber, accepts: config.accept, schedules, polls }
}

impl Triggers {
    /// What takes messages.
    #[must_use]
    pub fn subscriber(&self) -> &Rc<Subscriber> {
        &self.subscriber
    }

    /// Messages over HTTP, if they may be posted.
    #[must_use]
    pub fn messages(&self) -> Option<Messages> {
        self.accepts.then(|| Messages::new(self.subscriber.clone()))
    }

    /// Adds what was counted to the metrics page.
    pub fn write_metrics(&self, page: &mut Exposition) {
        use Kind::{Counter, Gauge};
        let schedules = &self.schedules;
        page.metric("aerolith_cron_total", Counter, "Times of schedules, by what became of them.");
        for (result, counter) in [
            ("done", &schedules.done),
            ("failed", &schedules.failed),
            ("after_missed", &schedules.after_missed),
            ("overlapped", &schedules.overlapped),
            ("not_kept", &schedules.not_kept),
        ] {
            page.sample(&[("result", result)], counter.get());
        }
        let messages = self.subscriber.counts();
        page.metric("aerolith_messages_total", Counter, "Messages, by the way that they came.");
        for origin in Origin::ALL {
            page.sample(&[("origin", origin.word())], messages.offered(origin));
        }
        page.metric(
            "aerolith_message_results_total",
            Counter,
            "What became of messages, and of the runs that they started.",
        );
        for (result, counter) in [
            ("unmatched", &messages.unmatched),
            ("refused", &messages.refused),
            ("repeated", &messages.repeated),
            ("shed", &messages.shed),
            ("put_off", &messages.put_off),
            ("done", &messages.done),
            ("failed", &messages.failed),
            ("not_kept", &messages.not_kept),
            ("unreadable", &self.polls.unreadable),
        ] {
            page.sample(&[("result", result)], counter.get());
        }
        page.metric("aerolith_messages_pending", Gauge, "Runs for messages that have not ended.")
            .value(self.subscriber.pending());
        page.metric("aerolith_message_node_total", Counter, "Dealings with the message node.");
        for (what, counter) in [
            ("polled", &self.polls.rounds),
            ("poll_failed", &self.polls.failed),
            ("followed", &self.polls.followed),
            ("follow_ended", &self.polls.unfollowed),
        ] {
            page.sample(&[("what", what)], counter.get());
        }
    }
}

impl fmt::Debug for Triggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Triggers").field("subscriber", &self.subscriber).finish_non_exhaustive()
    }
}
