//! What the golden tests are made of.

pub mod cases;
mod files;
mod judge;
mod pods;
mod requests;
mod settings;
mod text;

pub use judge::Judge;
