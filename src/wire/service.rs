//! What services say: greetings, answers to a few questions, and certificates. Every byte comes from a stranger;
//! what is kept of it is text of a bounded length.

pub mod answers;
pub mod certificate;
pub mod greeting;
pub mod http;
pub mod mongo;
mod text;

pub use text::banner;
