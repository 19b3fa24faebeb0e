//! Programs as what triggers them sees them.
//!
//! Schedules and messages start programs without knowing what these are made of; tests give them programs
//! that only note what happens to them.

use alloc::rc::Rc;
use alloc::vec::Vec;

use futures_util::future::{FutureExt, LocalBoxFuture};

use crate::aleph::program::Program;
use crate::aleph::trigger::Failure;
use crate::executor::Signal;
use crate::program::{Hosted, Programs, Trigger};

/// A program that can be run.
pub trait Runnable {
    /// What it is and when it runs.
    fn program(&self) -> &Program;

    /// Runs it once, to its end.
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::Busy`] if another time it may go well.
    fn run(self: Rc<Self>, trigger: Trigger) -> LocalBoxFuture<'static, Result<(), Failure>>;
}

/// The programs that there are.
pub trait Runnables {
    /// All of them now.
    fn all(&self) -> Vec<Rc<dyn Runnable>>;

    /// Is given whenever there are others.
    fn changes(&self) -> Signal;
}

impl Runnable for Hosted {
    fn program(&self) -> &Program {
        Self::program(self)
    }

    fn run(self: Rc<Self>, trigger: Trigger) -> LocalBoxFuture<'static, Result<(), Failure>> {
        async move { Self::run(&self, trigger).await.map(drop) }.boxed_local()
    }
}

impl Runnables for Programs {
    fn all(&self) -> Vec<Rc<dyn Runnable>> {
        self.list().into_iter().map(|hosted| hosted as Rc<dyn Runnable>).collect()
    }

    fn changes(&self) -> Signal {
        Self::changes(self)
    }
}
