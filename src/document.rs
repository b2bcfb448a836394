//! The JSON documents: serializable counterparts of the model. The model has no serde, so that a document
//! changes only on purpose.
//!
//! A fact that is known is its value; one that is absent is `null`; one that could not be seen is `null` too,
//! and stands in its item's `unknown` list with the reason and what would let us see it.

mod check;
mod envelope;
mod identity;
mod journey;
mod read;
mod schema;
mod sockets;
mod time;
mod unknown;
mod who;
mod why;

pub use check::{CheckBody, check};
pub use envelope::Document;
pub use read::read_why;
pub use schema::{Kind, schema};
pub use sockets::{SocketsBody, sockets};
pub use time::rfc3339;
pub use who::{WhoBody, who};
pub use why::{WhyBody, why};

#[cfg(test)]
pub(crate) mod samples;
