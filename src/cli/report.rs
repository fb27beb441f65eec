//! `ironhull report`: evidence of how the containers of a cluster run.

pub mod html;
