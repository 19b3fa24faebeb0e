//! Name look-up: A and AAAA records by the configured name servers.

use alloc::vec::Vec;
use core::future::poll_fn;
use core::str::FromStr;
use core::task::Poll;

use smoltcp::socket::dns::{self, GetQueryResultError, QueryHandle, StartQueryError};
use smoltcp::wire::{DnsQueryType, IpAddress};

use crate::limits;
use crate::stack::Stack;

/// Why a name could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// It is no host name (RFC 1123), or too long.
    BadName,
    /// As many look-ups as there may be ([`limits::MAX_DNS_QUERIES`]) are under way.
    Busy,
    /// There is no such name, it has no address, or no server answered in time.
    NotFound,
}

impl core::fmt::Display for ResolveError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BadName => "not a host name",
            Self::Busy => "too many look-ups at once",
            Self::NotFound => "no address was found for the name",
        })
    }
}

impl core::error::Error for ResolveError {}

impl Stack {
    /// The addresses of a host: IPv4 first, IPv6 when it has no IPv4 address. An address in text form
    /// is its own answer. Takes at most some ten seconds for each address family and server.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddress>, ResolveError> {
        self.resolve_to(name, &[DnsQueryType::A, DnsQueryType::Aaaa]).await
    }

    /// The addresses of a host: of the first kind of which it has any.
    pub(crate) async fn resolve_to(
        &self,
        name: &str,
        kinds: &[DnsQueryType],
    ) -> Result<Vec<IpAddress>, ResolveError> {
        if let Ok(address) = IpAddress::from_str(name) {
            return Ok(Vec::from([address]));
        }
        if !is_host_name(name) {
            return Err(ResolveError::BadName);
        }
        for &kind in kinds {
            let addresses = match Query::start(self, name, kind)?.result().await {
                Ok(addresses) => addresses,
                Err(ResolveError::NotFound) => continue,
                Err(error) => return Err(error),
            };
            if !addresses.is_empty() {
                return Ok(addresses);
            }
        }
        Err(ResolveError::NotFound)
    }
}

/// A query under way; dropping it gives it up.
struct Query<'a> {
    stack: &'a Stack,
    handle: Option<QueryHandle>,
}

impl<'a> Query<'a> {
    fn start(stack: &'a Stack, name: &str, kind: DnsQueryType) -> Result<Self, ResolveError> {
        let mut guard = stack.inner();
        let inner = &mut *guard;
        if inner.dns_queries >= limits::MAX_DNS_QUERIES {
            return Err(ResolveError::Busy);
        }
        let socket = inner.sockets.get_mut::<dns::Socket<'static>>(inner.dns);
        let handle = socket.start_query(inner.interface.context(), name, kind).map_err(
            |error| match error {
                StartQueryError::NoFreeSlot => ResolveError::Busy,
                StartQueryError::InvalidName | StartQueryError::NameTooLong => {
                    ResolveError::BadName
                }
            },
        )?;
        inner.dns_queries += 1;
        inner.mark_dirty();
        Ok(Self { stack, handle: Some(handle) })
    }

    async fn result(mut self) -> Result<Vec<IpAddress>, ResolveError> {
        poll_fn(|context| {
            let Some(handle) = self.handle else { return Poll::Ready(Err(ResolveError::NotFound)) };
            let mut inner = self.stack.inner();
            let dns = inner.dns;
            let socket = inner.sockets.get_mut::<dns::Socket<'static>>(dns);
            let result = match socket.get_query_result(handle) {
                Err(GetQueryResultError::Pending) => {
                    socket.register_query_waker(handle, context.waker());
                    return Poll::Pending;
                }
                Ok(addresses) => Ok(addresses.to_vec()),
                Err(GetQueryResultError::Failed) => Err(ResolveError::NotFound),
            };
            // The socket has freed the slot with the result.
            inner.dns_queries = inner.dns_queries.saturating_sub(1);
            drop(inner);
            self.handle = None;
            Poll::Ready(result)
        })
        .await
    }
}

impl Drop for Query<'_> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            let mut inner = self.stack.inner();
            let dns = inner.dns;
            inner.sockets.get_mut::<dns::Socket<'static>>(dns).cancel_query(handle);
            inner.dns_queries = inner.dns_queries.saturating_sub(1);
        }
    }
}

/// True for a host name of RFC 1123 section 2.1, with underscores, which service names have.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.is_empty()
        && name.len() <= limits::MAX_DNS_NAME_BYTES
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}
