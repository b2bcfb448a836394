//! The laws of the source tree, checked on its tokens and its syntax: who may import whom, where `unsafe` and
//! platform switches may stand, which rooms are pure. `law` is the law, `tree` and `offences` are the tests, and the
//! rest is the checker.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper may panic"
)]

mod imports;
mod judge;
mod law;
mod offences;
mod source;
mod tokens;
mod tree;
