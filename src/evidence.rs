//! What can be shown to somebody who does not run ironhull: an auditor, or the API server.

pub mod backstop;
