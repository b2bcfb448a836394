//! What the rules of the firewall say: what they publish where no probe could tell, and the words of those that decided; and
//! what else there is that may end packets.
//!
//! Reading the rules changes none of them, but asking a kernel for `nf_tables` may make it load that module.

mod ask;
mod filters;
mod nat;
mod rules;

pub use filters::filters;
pub use nat::published;
pub use rules::{chains, rules, rules_before, rules_without_nft};
