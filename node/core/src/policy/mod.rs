//! Decisions that are functions of replicated rows: how fast one may guess.

pub mod throttle;
