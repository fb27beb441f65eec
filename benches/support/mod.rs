//! What measuring a server takes. For the report (`benches/report`) and for abuse
//! (`benches/abuse`), which include it by path; their client is that of `tests/server`.
//!
//! | module | what it has |
//! |---|---|
//! | [`server`] | `ironhull serve` on free loopback ports, with a certificate of its own, until it is dropped |
//! | [`load`] | requests over TLS, on connections that are kept or on new ones |
//! | [`process`] | a process's CPU time and memory |
//! | [`reviews`] | the requests that are sent |
//! | [`stats`] | medians and spreads |
//! | [`page`] | figures as a page |

pub mod load;
pub mod page;
pub mod process;
pub mod reviews;
pub mod server;
pub mod stats;
