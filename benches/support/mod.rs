//! What measuring a server takes: the server itself, a client that loads it, and what the
//! kernel counts of it. For the report (`benches/report`) and for tests of the server under
//! abuse, which include it by path.
//!
//! ```ignore
//! let server = Server::start(binary, &Setup::default())?;
//! let load = Load { connections: 8, until: Until::Requests(1000), ..Load::default() };
//! let answered = load.run(&server.target())?;
//! println!("{:?} {}", answered.latency(0.99), server.process().memory()?.resident);
//! ```
//!
//! | module | what it has |
//! |---|---|
//! | [`server`] | `ironhull serve` on free loopback ports, with a certificate of its own, until it is dropped |
//! | [`load`] | requests over TLS, on connections that are kept or on new ones |
//! | [`process`] | a process's CPU time and memory |
//! | [`reviews`] | the requests that are sent |
//! | [`stats`] | medians and spreads |

pub mod load;
pub mod process;
pub mod reviews;
pub mod server;
pub mod stats;
