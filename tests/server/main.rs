//! The running server, through a TLS client that knows nothing of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod client;
mod clock;
mod fixture;
mod process;

mod abuse;
mod ask;
mod binary;
mod errors;
mod failures;
mod limits;
mod managed;
mod reload;
mod reviews;
mod shutdown;
mod tls;
