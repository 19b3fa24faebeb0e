//! WebSocket (RFC 6455): a byte stream over binary frames, both roles.
