//! What goes on in a connection besides carrying bytes, until it ends or has to.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::pending;

use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::select_biased;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::ending::Why;
use super::identity;
use super::inner::Inner;
use super::limits::{
    IDENTIFY_INTERVAL, MAX_SERVED_STREAMS, PING_INTERVAL, SUPERSEDED_TIMEOUT, UNWANTED_GRACE,
};
use super::link::Link;
use super::liveness::{self, Pulse};
use super::serve::serve;
use crate::libp2p::yamux::{End, Stream};
use crate::time::{Instant, Timer, after};

/// What a connection has under way.
pub(super) struct Jobs {
    running: FuturesUnordered<LocalBoxFuture<'static, Done>>,
}

/// A job that is done.
pub(super) enum Done {
    /// A stream was served.
    Served,
    /// The peer was pinged.
    Pinged(Pulse),
    /// The peer was asked who it is.
    Asked,
    /// The peer was told who we are.
    Told,
}

/// What happens next.
enum Event {
    /// The connection has ended.
    Ended,
    /// The connection is to end.
    End(Why),
    Done(Done),
    /// The peer opened a stream.
    Opened(Stream),
    /// Time to look around.
    Look,
}

impl Jobs {
    pub(super) fn new() -> Self {
        Self { running: FuturesUnordered::new() }
    }

    fn add(&self, job: impl Future<Output = Done> + 'static) {
        self.running.push(Box::pin(job));
    }

    /// Waits for a job; `None` when there is none.
    pub(super) async fn wait(&mut self) -> Option<Done> {
        self.running.next().await
    }
}

/// Decides what is done on a connection and when.
pub(super) struct Conductor<'a> {
    inner: &'a Rc<Inner>,
    link: &'a Rc<Link>,
    /// Streams being served.
    serving: usize,
    pinging: bool,
    asking: bool,
    telling: bool,
    /// When to ping if nothing arrives until then.
    ping_at: Instant,
    ask_at: Instant,
    received_bytes: u64,
    /// Since when the peer is known not to take particles.
    unwanted_since: Option<Instant>,
}

impl<'a> Conductor<'a> {
    pub(super) fn new(inner: &'a Rc<Inner>, link: &'a Rc<Link>) -> Self {
        let now = inner.clock.now();
        Self {
            inner,
            link,
            serving: 0,
            pinging: false,
            asking: false,
            telling: false,
            ping_at: after(now, PING_INTERVAL),
            ask_at: now,
            received_bytes: 0,
            unwanted_since: None,
        }
    }

    /// Runs the connection until it has ended (`None`) or is to end.
    pub(super) async fn conduct(
        mut self,
        driver: &mut LocalBoxFuture<'static, End>,
        jobs: &mut Jobs,
    ) -> Option<Why> {
        loop {
            let news = self.link.news.count();
            if let Some(why) = self.look_around(jobs) {
                return Some(why);
            }
            match self.next(driver, jobs, news).await {
                Event::Ended => return None,
                Event::End(why) => return Some(why),
                Event::Done(Done::Served) => self.serving -= 1,
                Event::Done(Done::Pinged(Pulse::None)) => return Some(Why::Dead),
                Event::Done(Done::Pinged(Pulse::Felt)) => self.pinging = false,
                Event::Done(Done::Asked) => self.asking = false,
                Event::Done(Done::Told) => self.telling = false,
                Event::Opened(stream) => {
                    self.serving += 1;
                    let (inner, link) = (Rc::clone(self.inner), Rc::clone(self.link));
                    jobs.add(serve(inner, link, stream).map(|()| Done::Served));
                }
                Event::Look => {}
            }
        }
    }

    async fn next(
        &self,
        driver: &mut LocalBoxFuture<'static, End>,
        jobs: &mut Jobs,
        news: u64,
    ) -> Event {
        let accept = async {
            // More wait in yamux, which slows the peer down.
            if self.serving >= MAX_SERVED_STREAMS {
                return pending().await;
            }
            match self.link.control.accept().await {
                Some(stream) => stream,
                None => pending().await,
            }
        };
        let deadline = self.deadline();
        // Yamux comes after those who write to its streams: what they have to say then leaves in one
        // write, the first answer on a stream with the stream's acknowledgement.
        select_biased! {
            why = self.link.ending.heard().fuse() => Event::End(why),
            done = jobs.running.select_next_some() => Event::Done(done),
            stream = accept.fuse() => Event::Opened(stream),
            _ = driver.fuse() => Event::Ended,
            _ = self.link.news.beyond(news).fuse() => Event::Look,
            () = self.inner.clock.sleep_until(deadline).fuse() => Event::Look,
        }
    }

    /// When to look around at the latest.
    fn deadline(&self) -> Instant {
        let busy_until = |busy: bool, at: Instant| (!busy).then_some(at);
        let all = [
            busy_until(self.pinging, self.ping_at),
            busy_until(self.asking, self.ask_at),
            self.idle_at(),
            self.unwanted_at(),
        ];
        let now = self.inner.clock.now();
        all.into_iter().flatten().min().unwrap_or(after(now, PING_INTERVAL))
    }

    /// When the connection will have been idle for too long.
    fn idle_at(&self) -> Option<Instant> {
        let since = self.link.activity.idle_since()?;
        let timeout = self.inner.config.limits.idle_timeout;
        let superseded = self.link.is_superseded();
        Some(after(since, if superseded { timeout.min(SUPERSEDED_TIMEOUT) } else { timeout }))
    }

    fn unwanted_at(&self) -> Option<Instant> {
        self.unwanted_since.map(|since| after(since, UNWANTED_GRACE))
    }

    /// Starts what is due; says why the connection is to end, if it is.
    fn look_around(&mut self, jobs: &Jobs) -> Option<Why> {
        let now = self.inner.clock.now();
        if self.idle_at().is_some_and(|at| at <= now) {
            let superseded = self.link.is_superseded();
            return Some(if superseded { Why::Superseded } else { Why::Idle });
        }
        let refuses = self.link.portrait.borrow().takes_particles == Some(false);
        let unwanted = refuses && !self.link.activity.is_useful();
        self.unwanted_since = unwanted.then(|| self.unwanted_since.unwrap_or(now));
        if self.unwanted_at().is_some_and(|at| at <= now) {
            return Some(Why::Unwanted);
        }
        if !self.asking && self.ask_at <= now {
            self.asking = true;
            self.ask_at = after(now, IDENTIFY_INTERVAL);
            let (inner, link) = (Rc::clone(self.inner), Rc::clone(self.link));
            jobs.add(async move {
                identity::ask(&inner, &link).await;
                Done::Asked
            });
        }
        if !self.pinging && self.ping_at <= now {
            self.ping_at = after(now, PING_INTERVAL);
            // What arrives shows as well that the peer is there.
            let received_bytes = self.link.control.counters().received_bytes;
            if core::mem::replace(&mut self.received_bytes, received_bytes) == received_bytes {
                self.pinging = true;
                let (inner, link) = (Rc::clone(self.inner), Rc::clone(self.link));
                jobs.add(async move { Done::Pinged(liveness::ping(&inner, &link).await) });
            }
        }
        if !self.telling && self.link.portrait.borrow().takes_push && self.link.take_announcement()
        {
            self.telling = true;
            let (inner, link) = (Rc::clone(self.inner), Rc::clone(self.link));
            jobs.add(async move {
                identity::push(&inner, &link).await;
                Done::Told
            });
        }
        None
    }
}
